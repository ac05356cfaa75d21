"""What watches the pipeline all day: the exporters on 9103 and 9104, the catalogue of checks, and what is generated from it."""
