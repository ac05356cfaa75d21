"""Processes of the embedded pipeline: start them, find them again, read their logs, stop them."""
