"""One record of what a check saw, and its renderers."""
