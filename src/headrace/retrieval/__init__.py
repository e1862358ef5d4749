"""Retrieval: what a list of features or a service comes to, the same for training and for serving."""
