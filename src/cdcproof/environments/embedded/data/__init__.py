"""What the embedded pipeline stores: its two databases, and that all stores belong together."""
