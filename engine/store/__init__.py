"""Content-addressed storage: blobs, entries, locks and refs."""
