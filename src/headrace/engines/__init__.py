"""Engines: what reads sources and computes over them, each behind the same port."""
