"""What of a table is compared: its columns, its key, its chunks, and known values that both servers must write alike."""
