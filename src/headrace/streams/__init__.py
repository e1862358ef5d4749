"""Adapters of the event-stream port."""
