"""Definitions: what a feature store is told to hold, as frozen data that is checked where it is written."""
