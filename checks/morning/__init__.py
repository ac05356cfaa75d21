"""The morning health check."""
