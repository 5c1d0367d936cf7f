"""What differs, why a stage runs, and what a run will cost."""
