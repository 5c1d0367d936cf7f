"""The run-time loop: what starts when, where, and what becomes of it."""
