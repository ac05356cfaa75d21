"""What a backup is made of."""
