"""An incident: its folder, and what is done in which order. To preserve comes first, to isolate after it; never the reverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.connect.states import ConnectorStates
from cdcproof.connectors.control import Control
from cdcproof.connectors.states import PAUSED, STOPPED, Aim, Watch
from cdcproof.core.acts import write_down
from cdcproof.core.errors import CdcproofError, OperationError
from cdcproof.core.waiting import Deadline
from cdcproof.emergency import suspects as suspects_
from cdcproof.emergency.custody import Custody
from cdcproof.emergency.evidence import Evidence
from cdcproof.emergency.parts import Part, Parts
from cdcproof.emergency.suspects import Measure, Suspect
from cdcproof.environments.base import Environment
from cdcproof.maintenance.journal import Actor, Journal
from cdcproof.pipeline.model import Pipeline

Kind = Literal["data-loss", "security-incident"]
_TIMEOUT_SECONDS = (3.0, 30.0)


@dataclass(frozen=True)
class Result:
    """How it ended: the parts, and what seals the evidence where it was sealed."""

    folder: Path
    parts: Parts
    archive: Path | None = None
    archive_sha256: str = ""
    thaw: tuple[str, ...] = ()
    """The commands that let go on what was frozen."""


@dataclass
class Incident:
    """One emergency of a pipeline. `seconds` is what halting the connectors may take."""

    kind: Kind
    environment: Environment
    pipeline: Pipeline
    actor: Actor
    seconds: float
    report: Callable[[str], None]
    waiting: Callable[[str], None]
    reports: Path | None = None
    _frozen: list[str] = field(default_factory=list)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def folder(self) -> Path:
        """Where its evidence is."""
        base = (self.reports or self.pipeline.paths.reports) / "emergency" / self.pipeline.name
        return base / f"{self.kind}-{self.at:%Y%m%dT%H%M%SZ}"

    def plan(self) -> tuple[Part, ...]:
        """What will be done, in this order; nothing is touched by asking."""
        return self._data_loss() if self.kind == "data-loss" else self._security()

    def answer(self) -> Result:
        """Do it. Raises `OperationError` only where there is no place for the evidence; the parts that fail are in the result."""
        Evidence(self.folder).make()
        custody = Custody(self.folder, self.actor)
        parts = Parts(Journal(self.folder, self.actor), self.kind, self.report)
        custody.record(f"{self.kind} of {self.pipeline.name}: evidence is collected")
        seal: list[tuple[Path, str]] = []
        for part in self.plan():
            parts.take(part)
        parts.take(Part("seal", "make it read-only, and put it into one tar", partial(self._seal, custody, seal)))
        archive, digest = seal[0] if seal else (None, "")
        return Result(self.folder, parts, archive, digest, tuple(self._frozen))

    def _data_loss(self) -> tuple[Part, ...]:
        """The runbook: pause replication at once, prove it, collect evidence, and do nothing else."""
        evidence = Evidence(self.folder)
        return (
            Part("pause", f"pause {self._names()} at {self.pipeline.connect.url}", self._pause),
            Part("prove", "read from Connect that each of their tasks is PAUSED", self._prove),
            Part("connect", "keep configurations and positions", lambda: evidence.connect(self.pipeline)),
            Part("diagnostics", "collect diagnostics", self._diagnostics),
            Part("redact", "copy the originals without secrets", evidence.redact),
            Part("hashes", "hash every file", self._hashes),
        )

    def _security(self) -> tuple[Part, ...]:
        """Preserve, the most volatile first; then isolate, by pausing what runs: a container that is removed takes its log with it.

        What is frozen is kept as an image, and goes off its networks last: before that its sockets could be listed.
        """
        evidence = Evidence(self.folder)
        found, by_hand, unseen = self._suspects()
        preserve = [
            Part("machine", "list processes, connections and the clock of this machine", evidence.machine),
            *([Part("suspects", "list the containers", partial(_fail, unseen))] if unseen else []),
            *(
                Part(
                    f"{word} of {s.name}", f"keep the {word} of {s.name}", partial(evidence.suspect, s, volatile=first)
                )
                for word, first in (("processes and connections", True), ("settings and logs", False))
                for s in found
            ),
            Part("connect", "keep configurations and positions", lambda: evidence.connect(self.pipeline)),
            Part("diagnostics", "collect diagnostics", self._diagnostics),
            Part("redact", "copy the originals without secrets", evidence.redact),
            Part("hashes", "hash every file", self._hashes),
        ]
        isolate = [
            Part("pause", f"pause {self._names()} at {self.pipeline.connect.url}", self._pause),
            *(Part(f"isolate {s.name}", f"freeze {s.name}", partial(self._freeze, s)) for s in found if s.isolated),
            *(self._measure(s, measure) for s, measure in _in_turn([s for s in found if s.isolated])),
            *(
                [Part("by hand", f"isolate by hand: {', '.join(by_hand)}", partial(_fail, _by_hand(by_hand)))]
                if by_hand or unseen
                else []
            ),
        ]
        return (*preserve, *isolate)

    def _suspects(self) -> tuple[Sequence[Suspect], Sequence[str], str]:
        try:
            found, by_hand = suspects_.of(self.environment, self.pipeline)
        except CdcproofError as error:
            return (), tuple(service.name for service in self.pipeline.services), error.message
        return found, by_hand, ""

    def _names(self) -> str:
        return " and ".join(connector.name for connector in self.pipeline.connectors)

    def _control(self) -> Control:
        def announce(what: str) -> None:
            write_down(self.reports or self.pipeline.paths.reports, f"emergency {self.kind}", what)

        connect = Connect(self.pipeline.connect, _TIMEOUT_SECONDS, patience_seconds=0)
        return Control(connect, Deadline(self.seconds), announce, self.waiting)

    def _pause(self) -> str:
        """Order all at once, then follow them; one that cannot be paused keeps no other from it."""
        control = self._control()
        states = control.states()
        watches, problems = {}, []
        for connector in self.pipeline.connectors:
            seen = states.get(connector.name)
            if seen is None:
                problems.append(f"{connector.name} is not at Connect")
            elif seen.state != STOPPED:
                try:
                    control.order(f"pause {seen.name}", partial(control.connect.pause, seen.name))
                    watches[seen.name] = Watch(Aim(PAUSED, len(seen.tasks) or None), seen)
                except CdcproofError as error:
                    problems.append(f"{seen.name}: {error.message}")
        outcomes = control.follow(watches) if watches else {}
        problems += [f"{name}: {outcome.text}" for name, outcome in outcomes.items() if not outcome.held]
        if problems:
            raise OperationError("; ".join(problems))
        return ", ".join([*(f"{name} {o.text}" for name, o in outcomes.items())]) or "all were STOPPED already"

    def _prove(self) -> str:
        states = self._control().states()
        wrong = [text for c in self.pipeline.connectors if (text := _not_halted(states, c.name))]
        if wrong:
            raise OperationError(f"NOT HALTED: {'; '.join(wrong)}")
        return ", ".join(f"{subject} {state}" for subject, state in states.states.items() if self._is_ours(subject))

    def _is_ours(self, subject: str) -> bool:
        return subject.partition("/")[0] in {connector.name for connector in self.pipeline.connectors}

    def _diagnostics(self) -> str:
        return Evidence(self.folder).diagnostics(self.pipeline, self.environment, self.waiting)

    def _hashes(self) -> str:
        return f"SHA256SUMS, whose own hash is {Custody(self.folder, self.actor).hash_all()}"

    def _freeze(self, suspect: Suspect) -> str:
        state = suspect.freeze()
        self._frozen.append(suspect.thaw)
        Custody(self.folder, self.actor).record(f"isolated {suspect.name}: {state}")
        return state

    def _measure(self, suspect: Suspect, measure: Measure) -> Part:
        def act() -> str:
            done = measure.act()
            self._frozen[:0] = done.undo  # in the reverse order of what was done
            Custody(self.folder, self.actor).record(f"{measure.name} of {suspect.name}: {done.text}")
            return done.text

        return Part(f"{measure.name} of {suspect.name}", measure.what, act)

    def _seal(self, custody: Custody, seal: list[tuple[Path, str]]) -> str:
        custody.record("sealed: read-only from here on")
        seal.append(custody.seal())
        return f"{seal[0][0]}, SHA-256 {seal[0][1]}"


def _in_turn(suspects: Sequence[Suspect]) -> list[tuple[Suspect, Measure]]:
    """The first measure of all of them, then the second: nothing is cut before everything is kept."""
    found = [(suspect, suspect.measures()) for suspect in suspects]
    most = max((len(measures) for _, measures in found), default=0)
    return [(suspect, measures[n]) for n in range(most) for suspect, measures in found if n < len(measures)]


def _not_halted(states: ConnectorStates, name: str) -> str:
    found = states.get(name)
    if found is None:
        return f"{name} is not at Connect"
    if found.state == STOPPED and not found.tasks:
        return ""
    short = Aim(PAUSED).shortfall(found)
    return f"{name}: {short}" if short else ""


def _by_hand(names: Sequence[str]) -> str:
    return f"cdcproof cannot freeze {', '.join(names)}: cut the network of their machines, and do not shut them down."


def _fail(text: str) -> str:
    raise OperationError(text)
