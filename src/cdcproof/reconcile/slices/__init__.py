"""Slices: ranges of a table's key that are read one by one, here or by other machines."""
