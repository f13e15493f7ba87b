"""The infrastructure of a machine-learning project, as one Pulumi program."""
