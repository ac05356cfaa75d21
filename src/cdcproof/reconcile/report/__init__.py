"""The result of a reconciliation: its file, its verdict, and how it is shown."""
