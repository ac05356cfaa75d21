"""Diagnostics: one redacted archive of what a pipeline does now, for whoever is on call."""
