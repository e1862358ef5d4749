"""Load over HTTP: a generator of it, the servers it is sent to, and what each of them did with it."""
