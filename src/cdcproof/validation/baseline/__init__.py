"""The state before a change, and what differs from it."""
