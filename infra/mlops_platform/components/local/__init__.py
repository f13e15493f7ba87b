"""What a local environment is made of: supervised processes on loopback, and stores elsewhere."""
