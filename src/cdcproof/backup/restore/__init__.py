"""Restoring a backup."""
