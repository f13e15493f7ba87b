"""The model behind HTTP: `python -m {{ cookiecutter.package }}.serving`."""
