"""Migrations of the registry's tables, run by `migrating.py`; docs/adr tells what one may do.

A migration stands for itself: it imports nothing of Headrace that may change after it.
"""
