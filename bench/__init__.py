"""Headrace and its rivals, measured on the same generated data in one run: `python -m bench`."""
