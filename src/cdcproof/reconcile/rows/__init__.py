"""The second phase: the rows of chunks that differ, compared by value."""
