"""The code that a stage reaches, and what of it counts in a key."""
