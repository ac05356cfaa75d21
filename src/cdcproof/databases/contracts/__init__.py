"""What a session promises to its callers, whatever the engine."""
