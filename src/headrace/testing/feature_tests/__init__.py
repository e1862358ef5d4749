"""Feature tests: literal events in, expected values at some instants out, history and serving alike."""
