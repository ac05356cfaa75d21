"""Kafka Connect: its answers, and what its configurations mean."""
