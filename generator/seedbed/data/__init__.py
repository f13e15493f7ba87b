"""Bring your own data: from a file of any size to what the spec says about it, and to the project's first data."""
