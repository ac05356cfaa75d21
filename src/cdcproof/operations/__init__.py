"""What an operator does to a pipeline."""
