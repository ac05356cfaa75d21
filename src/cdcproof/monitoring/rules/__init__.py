"""Prometheus rules and Alertmanager inhibition."""
