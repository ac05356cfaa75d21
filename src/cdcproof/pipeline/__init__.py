"""The expected state: its file, and the words in it."""
