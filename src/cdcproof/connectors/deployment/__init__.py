"""From a connector's file to a connector that runs."""
