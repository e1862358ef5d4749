"""Watching what is served: whether online answers are what history says."""
