"""The write-ahead log: positions, and the changes in it."""
