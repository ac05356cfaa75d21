"""Where a pipeline runs: live, compose or embedded."""
