"""Nothing to do, answered from stats alone."""
