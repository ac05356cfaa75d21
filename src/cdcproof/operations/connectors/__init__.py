"""Connectors: their files, what differs from what runs, and everything that is done to them."""
