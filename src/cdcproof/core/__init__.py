"""One tool each, imported by all the others."""
