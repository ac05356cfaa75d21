"""The container engine and Compose."""
