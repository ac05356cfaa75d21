"""Everything that knows SQL Server."""
