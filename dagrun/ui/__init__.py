"""What people see: progress, plans, graphs and errors on a terminal."""
