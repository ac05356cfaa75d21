"""Prove that a change-data-capture pipeline runs and that its data is the same on both sides."""

__version__ = "0.1.0"
