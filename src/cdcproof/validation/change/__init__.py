"""A planned change: its file, its risk, what it will edit."""
