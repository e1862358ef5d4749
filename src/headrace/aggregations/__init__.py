"""Aggregations: one idea a file, each a value in a definition and the algebra of its states."""
