"""The staging gate: what a change must pass. The checks of `validate` that are marked with staging belong to it too."""
