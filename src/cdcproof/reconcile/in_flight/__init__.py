"""In flight or lost: what differs is read again after the target has caught up with the source."""
