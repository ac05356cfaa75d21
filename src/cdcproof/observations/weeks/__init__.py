"""What weeks of metrics and drills show."""
