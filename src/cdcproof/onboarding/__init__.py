"""The way into cdcproof: a project of one's own."""
