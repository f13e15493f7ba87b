"""An environment on AWS, seen from outside the engine: what it costs, whether it can be made, what is left of it."""
