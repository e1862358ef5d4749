"""Ports: the narrow protocols by which use cases know the world outside."""
