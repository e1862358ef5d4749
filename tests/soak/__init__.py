"""Mixed load for long: requests, pushes, loads and registry changes at once; every answer is checked."""
