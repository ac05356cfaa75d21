"""The programs of Debian's packages that tests run, where they are: on PATH or in $CDCPROOF_TEST_BIN."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str) -> str:
    """The path of a program; the test is skipped by name where there is none."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("CDCPROOF_TEST_BIN", ""), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is neither on PATH nor in $CDCPROOF_TEST_BIN (apt-get install it)")
    return found
