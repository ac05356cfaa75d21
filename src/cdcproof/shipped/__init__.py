"""What stands at the top of a checkout: checks, fixtures, monitoring, scripts, docs. A wheel has all of it in this folder.

`cdcproof.shipped.checks` and `cdcproof.shipped.fixtures` are packages in both.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent
IS_CHECKOUT = not (_HERE / "checks").is_dir()
ROOT = _HERE.parents[2] if IS_CHECKOUT else _HERE
"""The folder that holds ``checks``, ``fixtures``, ``monitoring``, ``scripts`` and ``docs``."""

if IS_CHECKOUT:
    __path__ = [str(ROOT)]
