"""The rooms of third-party clients. Each client has a timeout and fails with our errors."""
