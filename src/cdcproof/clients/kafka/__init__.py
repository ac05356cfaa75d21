"""Kafka: its brokers, topics and consumer groups."""
