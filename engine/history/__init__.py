"""What runs were, and what their stages said."""
