"""What runs leave for later runs: one file a subject, below the reports."""
