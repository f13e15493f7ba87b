"""The data, the model and the registry. `schema.py` says what they are about."""
