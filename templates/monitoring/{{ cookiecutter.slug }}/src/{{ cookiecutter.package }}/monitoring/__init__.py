"""Drift of what the model is asked, and of what it answers: `python -m {{ cookiecutter.package }}.monitoring`."""
