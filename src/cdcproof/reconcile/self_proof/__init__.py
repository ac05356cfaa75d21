"""Each comparison of contents proves that it would have seen a difference: it plants some, and looks for them as it looks for all others."""
