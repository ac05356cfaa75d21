"""Sessions with the databases: what they share here, what each engine does in its own room."""
