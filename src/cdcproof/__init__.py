"""Prove that a change-data-capture pipeline runs and that its data is the same on both sides."""

__all__ = ["__version__"]

try:
    from cdcproof._version import version as __version__  # written when it is installed, from the git tag
except ImportError:  # a checkout that was never installed
    __version__ = "0.0.0"
