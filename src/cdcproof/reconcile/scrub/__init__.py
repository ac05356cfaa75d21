"""The scrub: a table too large for every hour is proven slice by slice."""
