"""The doors through which third-party clients enter; each has a timeout and leaves as our error."""
