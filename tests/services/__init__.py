"""Real servers for tests, started from the system's binaries or from those that a package ships."""
