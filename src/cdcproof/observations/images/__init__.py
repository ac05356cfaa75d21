"""Images, their tags and advisories."""
