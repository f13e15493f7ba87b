"""What an environment is made of, each part with the resources below it."""
