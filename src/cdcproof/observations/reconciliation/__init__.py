"""Reports of reconciliations, and the exporters' pages about them."""
