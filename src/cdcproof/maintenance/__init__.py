"""A maintenance window from its plan to its report: every step is journalled before and after it is taken."""
