"""Watching the model in use: drift, data quality and performance, and what is done about them."""

DEFAULT_LOG = "logs/predictions"
