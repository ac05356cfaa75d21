"""PostgreSQL's programs: what they print does not fill a disk."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.backup.parts import postgresql_programs as programs
from cdcproof.core.errors import OperationError
from cdcproof.core.secrets import Secret


def test_a_program_that_prints_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "MOST_SAID_BYTES", 1 << 20)
    monkeypatch.setattr(programs, "environment", lambda *_: {"PATH": "/usr/bin:/bin"})
    nowhere: Any = None
    with pytest.raises(OperationError, match=r"yes printed more than 1 MiB, and was ended\."):
        programs.run(["yes"], nowhere, Secret("x"), lambda: None)
