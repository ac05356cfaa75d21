"""The type contract: what values are compared as, and their canonical bytes."""
