"""The accounts of a pipeline: what each role needs, and the page that says so."""
