"""Extended by each project."""
