"""SQL as text: nothing is asked here."""
