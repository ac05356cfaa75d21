"""What watches the pipeline all day: the catalogue of checks and what is generated from it."""
