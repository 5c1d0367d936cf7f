"""The process that starts, watches and ends the workers that answer."""
