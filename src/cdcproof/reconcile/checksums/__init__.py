"""The first phase: both sides of a table summed up, chunk by chunk."""
