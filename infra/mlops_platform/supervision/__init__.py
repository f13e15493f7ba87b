"""Processes that outlive the program that starts them. Plain Python: nothing here knows of Pulumi."""
