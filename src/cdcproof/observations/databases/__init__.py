"""What a database says of its own capture and rights."""
