"""Watching for a while."""
