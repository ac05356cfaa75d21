"""What whoever is on call reads first: the alert, the check behind it, what to do in which order, whom to call. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdcproof.core.durations import rough
from cdcproof.oncall import knowledge
from cdcproof.oncall.alert import Alert
from cdcproof.pipeline.contacts import NONE_NAMED, Contacts
from cdcproof.reporting.formats.summary import local_time
from cdcproof.reporting.record import StepRecord


@dataclass(frozen=True)
class Briefing:
    """All of it. `watchers` are sentences of Prometheus and Alertmanager, `records` the newest of each step."""

    alert: Alert
    watchers: Sequence[str]
    records: Mapping[str, StepRecord]
    contacts: Contacts
    pipeline_option: str
    """``--pipeline warehouse``, for commands that are offered."""
    minutes: float
    """How long the incident has lasted."""
    now: datetime

    def lines(self) -> list[str]:
        """For the terminal."""
        return [*self._alert(), "", *self._check(), "", *self._orders(), "", *self._escalation()]

    def observed(self) -> list[str]:
        """For the record: what was seen at this call."""
        found = [self.alert.description] if self.alert.description else []
        found += self.watchers
        record = self._record()
        if record:
            found.append(f"{record.step} was {record.verdict} {self._age(record)} ago")
            found += [f"  {line}" for line in knowledge.findings(record)]
        elif self.alert.check:
            found.append(f"no run that is kept has {self.alert.check.step}")
        return [f"{'  ' * line.startswith('  ')}- {' '.join(line.split())}" for line in found]

    def _alert(self) -> Iterator[str]:
        alert = self.alert
        yield f"{alert.name}   {alert.shown_labels}{f'   ({alert.severity})' if alert.severity else ''}"
        yield from (f"  {line}" for line in (alert.summary, alert.description) if line)
        yield from (f"  {line}" for line in self.watchers)
        if alert.runbook:
            yield f"  {alert.runbook}"

    def _check(self) -> Iterator[str]:
        check, record = self.alert.check, self._record()
        if check is None:
            yield "No check stands behind this alert."
            return
        yield f"The check behind it: {check.step} ({check.severity}), docs/RUNBOOK.md#{check.anchor}"
        if record is None:
            yield f"  No run that is kept has it. Look now: {self._run(check.suite)}"
            return
        yield f"  {str(record.verdict).upper()} {self._age(record)} ago ({local_time(record.started_at)}): {record.title}"
        yield from (f"    {line}" for line in knowledge.findings(record))
        yield from (f"    {line}" for line in knowledge.evidence(record))
        if record.verdict.is_green:
            yield "  That was before: believe it only after another look."
        yield f"  Look again: {self._run(check.suite)}"

    def _orders(self) -> Iterator[str]:
        yield "What to do, in this order"
        if self.alert.action:
            yield f"  {self.alert.action}"
        found = knowledge.orders(self.alert.check, self.records) if self.alert.check else []
        for number, order in enumerate(found, start=1):
            yield f"  {number}. {order.step} was {order.verdict}: {order.title}"
            yield from (f"       {line}" for line in order.lines)
            yield f"     or one by one, each confirmed: cdcproof remedy {order.step} {self.pipeline_option} --allow-acts"
        if not found and self.alert.check:
            step, suite = self.alert.check.step, self.alert.check.suite
            yield "  The kept runs offer nothing for it: look again, and let the newest run say what to do."
            yield f"    {self._run(suite)}"
            yield f"    cdcproof remedy {step} {self.pipeline_option}"

    def _escalation(self) -> Iterator[str]:
        yield f"Escalation (the incident has lasted {self.minutes:.0f} min)"
        found = [*self.contacts.escalation_lines(self.minutes), *self.contacts.team_lines()]
        yield from (f"  {line}" for line in found or [NONE_NAMED])

    def _record(self) -> StepRecord | None:
        return self.records.get(self.alert.check.step) if self.alert.check else None

    def _age(self, record: StepRecord) -> str:
        return rough(self.now.timestamp() - record.started_at)

    def _run(self, suite: str) -> str:
        return f"pytest -m {shlex.quote(suite)} {self.pipeline_option}"
