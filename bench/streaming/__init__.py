"""Ingestion: events of a stream into states, against raw LMDB and against a stream processor in Python."""
