"""A client of a server: the serving verbs of `FeatureStore`, over HTTP."""
