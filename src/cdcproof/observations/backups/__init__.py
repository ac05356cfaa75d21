"""Backups and old files."""
