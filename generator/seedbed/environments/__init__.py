"""Environments: Pulumi stacks of a project, from a preview to the proof that nothing is left."""
