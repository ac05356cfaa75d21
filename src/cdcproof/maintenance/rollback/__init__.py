"""Putting everything back as it was."""
