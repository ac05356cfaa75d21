"""Databases: one contract, one module per make."""
