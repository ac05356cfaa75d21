"""Connectors: what orders they take, and what follows from their states."""
