"""Validation after a maintenance."""
