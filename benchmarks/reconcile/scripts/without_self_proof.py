"""`cdcproof` with its arguments, but comparisons plant nothing: what the self-proof costs is the difference."""

from __future__ import annotations

import sys

from cdcproof.cli.main import program
from cdcproof.reconcile.report.result import SelfProof
from cdcproof.reconcile.self_proof.proof import Prover

Prover.prove = lambda *_: SelfProof(0, "not planted", ())  # type: ignore[method-assign]
sys.exit(program())
