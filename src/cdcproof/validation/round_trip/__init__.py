"""A test row from the source to the target."""
