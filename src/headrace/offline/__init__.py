"""History: the features of a spine's rows, each as it was known at that row's instant."""
