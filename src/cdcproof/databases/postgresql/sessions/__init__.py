"""A session for each task other than reading tables."""
