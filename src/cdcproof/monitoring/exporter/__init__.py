"""The two exporters' pages."""
