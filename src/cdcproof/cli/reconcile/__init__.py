"""`cdcproof reconcile`: a file per verb, and what they share."""

from __future__ import annotations

from cdcproof.cli.reconcile.compare import EXAMPLE, add_arguments, main, run

__all__ = ["EXAMPLE", "add_arguments", "main", "run"]
