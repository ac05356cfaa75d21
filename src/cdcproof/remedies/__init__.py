"""What to do next: commands to paste. Nothing here acts."""
