"""What the checks observed, kept so that somebody else can judge it again: redacted, chained by hashes, without any system."""
