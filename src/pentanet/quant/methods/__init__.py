"""One file per weight method: its METHOD."""
