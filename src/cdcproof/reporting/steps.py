"""The steps that checks stand for: what is wrong with their marks, and the order their needs put them in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from cdcproof.findings import NOT_EXPECTED, Verdict
from cdcproof.pipeline.model import Waiver
from cdcproof.reporting.record import StepRecord

SEVERITIES = ("critical", "major", "minor")

_STEP_ID = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Need:
    """What must be in order for a step to mean anything: another step, or one subject of it (its name or role)."""

    step: str
    subject: str = ""

    @classmethod
    def parse(cls, text: str) -> Need:
        """Read ``step`` or ``step:subject``."""
        step, _, subject = text.partition(":")
        return cls(step, subject)

    def is_broken_by(self, record: StepRecord) -> bool:
        """Whether this outcome of the needed step makes the dependent step meaningless.

        What is there beside all that is expected is a finding, and takes nothing away from what depends on the rest.
        """
        if record.verdict.is_green:
            return False
        if record.verdict is not Verdict.FAILED:
            return True
        if not self.subject:
            return not record.differences or any(d.expected != NOT_EXPECTED for d in record.differences)
        return any(_is_about(difference.subject, self.subject) for difference in record.differences)


@dataclass(frozen=True)
class Step:
    """One check as its mark declares it. `place` is the test's node id, for messages."""

    id: str
    title: str
    severity: str
    needs: tuple[Need, ...]
    place: str

    @property
    def suite(self) -> str:
        """The part of the id before the dot; also the pytest marker that selects it."""
        return suite_of(self.id)

    def problems(self, suites: Collection[str], known: Collection[str]) -> list[str]:
        """Sentences about what is wrong with this declaration; `known` are the ids of all steps there are."""
        found = []
        if not _STEP_ID.fullmatch(self.id):
            found.append(f"the step id {self.id!r} is not of the form <suite>.<id>, like morning.2-connectors")
        elif self.suite not in suites:
            found.append(f"the suite {self.suite!r} of step {self.id} is not a marker in pytest.ini")
        if not self.severity:
            found.append(
                f"{self.id} is not in the catalogue, so its mark must give severity={' or '.join(map(repr, SEVERITIES))}"
            )
        elif self.severity not in SEVERITIES:
            found.append(f"the severity {self.severity!r} is not one of {', '.join(SEVERITIES)}")
        if not self.title:
            found.append("the check has no docstring; its first line is the title in every report")
        found += [f"it needs {n.step}, and there is no such step" for n in self.needs if n.step not in known]
        return [f"{self.place}: {text}" for text in found]


def suite_of(step_id: str) -> str:
    """``morning`` of ``morning.2-connectors``."""
    return step_id.partition(".")[0]


def problems(
    steps: Collection[Step],
    waivers: Iterable[Waiver],
    *,
    suites: Collection[str],
    elsewhere: Collection[str],
) -> list[str]:
    """Everything wrong with the steps and the waivers, as sentences; `elsewhere` are steps not collected this time."""
    known = {step.id for step in steps} | set(elsewhere)
    found = [problem for step in steps for problem in step.problems(suites, known)]
    for step_id, count in Counter(step.id for step in steps).items():
        if count > 1:
            places = ", ".join(step.place for step in steps if step.id == step_id)
            found.append(f"the step {step_id} is claimed by {count} checks: {places}")
    cycle = _first_cycle({step.id: [need.step for need in step.needs] for step in steps})
    if cycle:
        found.append(f"these steps need one another in a circle: {' → '.join(cycle)}")
    return found + [
        f"the pipeline waives {waiver.step}, and there is no such step"
        for waiver in waivers
        if waiver.step not in known
    ]


def in_order(steps: Iterable[Step]) -> list[Step]:
    """The steps, each after those it needs, otherwise in the order given. The needs must not be circular."""
    by_id = {step.id: step for step in steps}
    ordered: dict[str, Step] = {}

    def place(step: Step) -> None:
        for need in step.needs:
            if need.step in by_id and need.step not in ordered:
                place(by_id[need.step])
        ordered.setdefault(step.id, step)

    for step in by_id.values():
        place(step)
    return list(ordered.values())


def groups(steps: Collection[Step]) -> dict[str, str]:
    """Step id to the name of its group: steps that need one another, however indirectly, share one."""
    group = {step.id: step.id for step in steps}
    for step in steps:
        for need in step.needs:
            if need.step in group:
                old, new = group[step.id], group[need.step]
                group = {key: new if value == old else value for key, value in group.items()}
    return group


def _is_about(subject: str, wanted: str) -> bool:
    """Whether a difference's subject, ``name`` or ``name (role)``, is the wanted name or role."""
    name, _, role = subject.rpartition(" (")
    return wanted in (subject, name, role.removesuffix(")"))


def _first_cycle(needs: Mapping[str, list[str]]) -> list[str]:
    """A circular chain of needs, its first step repeated at the end; empty when there is none."""
    done: set[str] = set()

    def visit(step: str, path: list[str]) -> list[str]:
        if step in path:
            return [*path[path.index(step) :], step]
        if step in done:
            return []
        for need in needs.get(step, []):
            cycle = visit(need, [*path, step])
            if cycle:
                return cycle
        done.add(step)
        return []

    for step in needs:
        cycle = visit(step, [])
        if cycle:
            return cycle
    return []
