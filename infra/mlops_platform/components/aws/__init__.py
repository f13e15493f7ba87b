"""The parts of an environment on AWS, each a component of its own."""
