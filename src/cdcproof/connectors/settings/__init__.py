"""What the settings of a connector mean, and whether they let every change through."""
