"""Reading: the files and tables of a source as clean rows, wherever an engine does it."""
