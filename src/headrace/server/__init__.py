"""The HTTP server: features by POST, in Feast's wire format; one face of `FeatureStore`."""
