"""seedbed: generate a complete MLOps repository and the infrastructure it runs on, from one spec."""

__version__ = "0.1.0"
