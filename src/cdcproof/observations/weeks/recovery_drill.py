"""The last disaster recovery drill against the targets of the pipeline file. Pure but for reading the records."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cdcproof.core import bounded
from cdcproof.core.durations import exact
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.core.json_text import parsed
from cdcproof.findings import Observation

_HOUR_SECONDS, _DAY_SECONDS = 3600.0, 86_400.0
_LATELY, _PROVEN = "within the quarter", "every row was the same"


@dataclass(frozen=True)
class Drill:
    """One record. Times are Unix seconds; `proven` is None where the record does not say."""

    path: str
    scenario: str
    started_at: float
    finished_at: float
    rto_seconds: float
    rpo_seconds: float
    proven: bool | None = None


@dataclass(frozen=True)
class RecoveryDrill:
    """The drills of this pipeline, newest first."""

    drills: tuple[Drill, ...]
    now: float
    rto_hours: float
    rpo_hours: float
    age_days: float

    def observation(self) -> Observation:
        """The last drill is of this quarter, was proven, and kept both targets."""
        return Observation(self.found(), self.expected(), self.details())

    def expected(self) -> dict[str, str]:
        """Both targets are kept, by a drill of this quarter that was proven."""
        if not self.drills:
            return {"last drill": _LATELY}
        stored = {"result": _PROVEN} if self.drills[0].proven is not None else {}
        return {"last drill": _LATELY, "recovery time": self._rto, "lost changes": self._rpo, **stored}

    def found(self) -> dict[str, str]:
        """That, or the actual figures."""
        if not self.drills:
            return {"last drill": "none is on record"}
        last = self.drills[0]
        return {
            "last drill": self._age_word((self.now - last.finished_at) / _DAY_SECONDS),
            "recovery time": self._rto
            if last.rto_seconds <= self.rto_hours * _HOUR_SECONDS
            else exact(last.rto_seconds),
            "lost changes": self._rpo
            if last.rpo_seconds <= self.rpo_hours * _HOUR_SECONDS
            else exact(last.rpo_seconds),
            **({} if last.proven is None else {"result": _PROVEN if last.proven else "not proven"}),
        }

    def details(self) -> dict[str, str]:
        """Which drill."""
        return {"last drill": f"{self.drills[0].scenario}: {self.drills[0].path}"} if self.drills else {}

    def rows(self) -> list[dict[str, object]]:
        """One row per drill, for the report."""
        return [
            {
                "finished": datetime.fromtimestamp(one.finished_at).astimezone().strftime("%Y-%m-%d %H:%M"),
                "scenario": one.scenario,
                "RTO": f"{exact(one.rto_seconds)} of {self.rto_hours:g} h",
                "RPO": f"{exact(one.rpo_seconds)} of {self.rpo_hours:g} h",
                "proven": {True: "yes", False: "no", None: None}[one.proven],
            }
            for one in self.drills
        ] or [{"finished": "none", "scenario": None, "RTO": None, "RPO": None, "proven": None}]

    def _age_word(self, days: float) -> str:
        if days + 1 / 24 < 0:
            return "from the future: a clock is wrong"
        return _LATELY if days <= self.age_days else f"{days:,.0f} days ago"

    @property
    def _rto(self) -> str:
        return f"at most {self.rto_hours:g} h"

    @property
    def _rpo(self) -> str:
        return f"of at most {self.rpo_hours:g} h"


def read(folder: Path, pipeline: str) -> tuple[Drill, ...]:
    """The records of a folder, newest first; those that name another pipeline are passed over.

    Raises `CouldNotLookError` where the folder cannot be read, and `UnexpectedAnswerError` for a record that is none.
    """
    try:
        paths = sorted(
            path for path in folder.iterdir() if path.suffix == ".json"
        )  # `glob` hides what may not be listed
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise CouldNotLookError(f"The records of drills in {folder} cannot be read: {error.strerror}.") from None
    drills = []
    for path in paths:
        try:
            stored: dict[str, Any] = parsed(bounded.read_text(path))
            if stored.get("pipeline", pipeline) == pipeline:
                drills.append(_drill(path, stored))
        except OSError as error:
            raise CouldNotLookError(
                f"The record of a drill {path} cannot be read: {error.strerror}.",
                "Let this account read it, or move it away.",
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnexpectedAnswerError(
                f"{path} is no record of a drill: {type(error).__name__} {error}.", "Correct it, or move it away."
            ) from None
    return tuple(sorted(drills, key=lambda drill: drill.finished_at, reverse=True))


def _drill(path: Path, stored: dict[str, Any]) -> Drill:
    started, finished = (datetime.fromisoformat(stored[name]).timestamp() for name in ("started_at", "finished_at"))
    rto, rpo = (float(stored[name]) for name in ("rto_seconds", "rpo_seconds"))
    if not (finished >= started and 0 <= rto < math.inf and 0 <= rpo < math.inf):
        raise ValueError("its times contradict each other")
    if stored.get("proven") not in (None, True, False):
        raise ValueError("proven is neither true nor false")
    return Drill(str(path), str(stored["scenario"]), started, finished, rto, rpo, stored.get("proven"))
