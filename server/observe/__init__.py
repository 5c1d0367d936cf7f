"""What a server tells of itself: metrics, logs, traces and the log of its predictions."""
