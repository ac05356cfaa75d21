"""Prerequisites of a deployment."""
