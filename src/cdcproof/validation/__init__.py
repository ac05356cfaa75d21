"""What is validated after a maintenance."""
