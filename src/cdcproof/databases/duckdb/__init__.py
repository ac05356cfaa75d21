"""Everything that knows DuckDB, which compares streams of rows."""
