"""What proves Headrace: the oracle, the laws, generators, and suites that any adapter can be held to."""
