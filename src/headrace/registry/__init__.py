"""The registry: what is defined, in which version, since when, by whom; and what a change would mean."""
