"""Drift of what the model is asked, and of what it answers."""
