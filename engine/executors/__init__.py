"""Where stages run: inline, in threads, in worker processes."""
