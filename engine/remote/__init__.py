"""Sources that are elsewhere: databases, web services, object stores, and their snapshots."""
