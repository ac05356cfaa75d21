"""A drill of disaster recovery on the embedded pipeline: destroy for real, recover by the documented commands, and measure.

The steps are the commands of docs/DISASTER-RECOVERY.md, run as they are printed there. Recovery time ends when every row was proven to be the same.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.connectors import commands as acts
from cdcproof.connectors.control import Control
from cdcproof.core import bounded_program
from cdcproof.core.errors import OperationError
from cdcproof.core.secrets import scrub
from cdcproof.core.waiting import Deadline, wait_until
from cdcproof.environments.embedded import connectors, lifecycle
from cdcproof.environments.embedded.data import databases
from cdcproof.environments.embedded.folders import INSTANCE_VARIABLE
from cdcproof.environments.embedded.state import Instance
from cdcproof.maintenance.drill_reports import DrillReport
from cdcproof.pipeline.model import Pipeline

_STEP_SECONDS = 900.0
_FIRST_ID = 880_000
_DIFFERENT = 1
_ROWS = 5

RECONCILE = ("reconcile", "--pipeline=embedded", "--validate-checksums")
UP = ("up",)
REPAIR = ("reconcile", "repair", "--pipeline=embedded", "--allow-acts", "--as-user=sink")


@dataclass(frozen=True)
class Scenario:
    """What is destroyed, and by which commands it is recovered; ``{backup}`` stands for the backup's timestamp.

    A command in `may_differ` may find differences, which a later one takes away.
    """

    name: str
    what: str
    destroy: Callable[[Instance], None]
    recover: tuple[tuple[str, ...], ...]
    restores: bool = True
    may_differ: frozenset[tuple[str, ...]] = frozenset()


def _lose(*services: str, folders: Callable[[Instance], tuple[Path, ...]]) -> Callable[[Instance], None]:
    """SIGKILL to the services, and their data gone."""

    def destroy(instance: Instance) -> None:
        for service in services:
            lifecycle.kill(instance.name, service)
        for folder in folders(instance):
            shutil.rmtree(folder)

    return destroy


def _spoil_source(instance: Instance) -> None:
    """A program that has gone wrong: half of the shipments are gone, every order is changed, and the target follows."""
    databases.source(
        instance,
        "DELETE FROM public.shipments WHERE shipment_id % 2 = 0; UPDATE public.orders SET total_amount = 0, status = 'broken';",
    )


def _lose_connect(instance: Instance) -> None:
    """What Connect remembers: configurations and the source's position. The sink's group is Kafka's, and stays."""
    connect = connectors.client(instance)
    control = Control(connect, Deadline(60), lambda _: None, lambda _: None)
    acts.stop(control, connectors.SOURCE)
    connect.reset_offsets(connectors.SOURCE)
    connectors.delete(instance)


def _restore(*words: str) -> tuple[str, ...]:
    return ("restore", "--pipeline=embedded", "--timestamp={backup}", "--stop-connectors", *words)


SCENARIOS = {
    one.name: one
    for one in (
        Scenario(
            "complete-data-loss",
            "both databases, Kafka with Connect's topics, ZooKeeper and the registry are gone; the backup is left",
            _lose(
                *("kafka-connect", "schema-registry", "kafka", "zookeeper", "postgres", "postgres-source"),
                folders=lambda i: (i.folders.postgres, i.folders.data),
            ),
            (UP, _restore(), RECONCILE),
        ),
        Scenario(
            "target-lost",
            "the target's server is gone with its data",
            _lose("postgres", folders=lambda i: (i.folders.postgres / "postgres",)),
            (UP, _restore("--database=warehouse_target"), RECONCILE),
        ),
        Scenario(
            "source-restored",
            "the source was spoiled, and goes back to the backup",
            _spoil_source,
            (_restore("--database=warehouse_source"), RECONCILE, REPAIR, RECONCILE),
            may_differ=frozenset({RECONCILE, REPAIR}),
        ),
        Scenario(
            "kafka-lost",
            "Kafka and ZooKeeper are gone with all topics, those of Connect among them",
            _lose(
                *("kafka-connect", "kafka", "zookeeper"),
                folders=lambda i: (i.folders.data / "kafka", i.folders.data / "zookeeper"),
            ),
            (UP, _restore("--connectors-only"), RECONCILE, REPAIR, RECONCILE),
            restores=False,
            may_differ=frozenset({RECONCILE, REPAIR}),
        ),
        Scenario(
            "connect-lost",
            "Connect has lost its connectors and the source's position",
            _lose_connect,
            (_restore("--connectors-only"), RECONCILE, REPAIR, RECONCILE),
            restores=False,
            may_differ=frozenset({RECONCILE, REPAIR}),
        ),
    )
}


@dataclass
class Drill:
    """One drill. `report` is given a line for each step."""

    scenario: Scenario
    pipeline: Pipeline
    instance: Instance
    root: Path
    report: Callable[[str], None]
    steps: list[tuple[str, float]] = field(default_factory=list)

    def run(self) -> DrillReport:
        """Back up, write, destroy, recover, measure. Raises `OperationError` where the pipeline cannot be prepared for it."""
        backup = self._prepare()
        written = self._write()
        started = datetime.now(UTC)
        clock = Deadline(0)
        self.report(f"now: {self.scenario.what}")
        self.scenario.destroy(self.instance)
        self.report("destroyed; recovering by the documented commands")
        problem = self._recover(backup)
        rto = clock.elapsed_seconds
        lost = self._lost(written) if not problem else dict(written)
        oldest = min(lost.values(), default=started)
        limits = self.pipeline.recovery
        return DrillReport(
            scenario=self.scenario.name,
            pipeline=self.pipeline.name,
            started_at=started.isoformat(timespec="seconds"),
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            rto_seconds=round(rto, 1),
            rpo_seconds=round((started - oldest).total_seconds(), 1) if lost else 0.0,
            rto_target_seconds=limits.rto_hours * 3600,
            rpo_target_seconds=limits.rpo_hours * 3600,
            proven=not problem,
            backup=backup if self.scenario.restores else "",
            steps=tuple(self.steps),
            lost_rows={"customers": len(lost)} if lost else {},
            notes=(problem,) if problem else (),
        )

    def _prepare(self) -> str:
        """A pipeline that is equal, and a backup of it; its timestamp."""
        self._demand(UP)
        # what an earlier drill wrote must not be in the backup: it would pass for not lost
        rows = f"DELETE FROM public.customers WHERE customer_id >= {_FIRST_ID}"  # noqa: S608  a number of ours
        databases.source(self.instance, rows)
        self._demand(RECONCILE)
        self._demand(("backup", "--pipeline=embedded"))
        found = sorted(self.instance.folders.backups.glob(f"{self.pipeline.name}_*"))
        return found[-1].name.removeprefix(f"{self.pipeline.name}_")

    def _demand(self, command: tuple[str, ...]) -> None:
        done = self._call(command)
        if done.returncode:
            raise OperationError(
                f"The drill needs a pipeline that is right: `{_line(command)}` ended with status {done.returncode}.\n"
                + _tail(done)
            )

    def _write(self) -> dict[int, datetime]:
        """Rows that only the time after the backup knows, and when each was committed; wait until the target has them."""
        written = {}
        for number in range(_FIRST_ID, _FIRST_ID + _ROWS):
            row = f"({number}, 'drill {number}', 'drill@example.com')"
            databases.source(self.instance, f"INSERT INTO public.customers (customer_id, name, email) VALUES {row}")  # noqa: S608  a number of ours
            written[number] = datetime.now(UTC)
        wait_until(
            lambda: self._ours(databases.target),
            lambda there: there == set(written),
            what="the target to follow before the disaster",
            deadline_seconds=60,
        )
        return written

    def _recover(self, backup: str) -> str:
        """Run the commands; what went wrong, empty when every row was proven in the end."""
        commands = [tuple(word.replace("{backup}", backup) for word in command) for command in self.scenario.recover]
        for number, (command, template) in enumerate(zip(commands, self.scenario.recover, strict=True), start=1):
            last = number == len(commands)
            clock = Deadline(0)
            done = self._call(command)
            self.steps.append((_line(command), round(clock.elapsed_seconds, 1)))
            self.report(f"{_line(command)}: status {done.returncode}, {clock.elapsed_seconds:.0f} s")
            differs = done.returncode == _DIFFERENT and template in self.scenario.may_differ and not last
            if command == RECONCILE and done.returncode == 0:
                return ""  # every row is the same: what would repair has nothing left to do
            if done.returncode and not differs:
                return f"`{_line(command)}` ended with status {done.returncode}: {_tail(done)}"
        return ""

    def _lost(self, written: Mapping[int, datetime]) -> dict[int, datetime]:
        """What the source does not have any more of what was committed before the disaster."""
        there = self._ours(databases.source)
        return {number: at for number, at in written.items() if number not in there}

    def _ours(self, side: Callable[[Instance, str], str]) -> set[int]:
        answer = side(self.instance, f"SELECT customer_id FROM public.customers WHERE customer_id >= {_FIRST_ID}")  # noqa: S608
        return {int(line) for line in answer.split()}

    def _call(self, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        try:
            return bounded_program.run(
                [sys.executable, "-m", "cdcproof", *command],
                cwd=self.root,
                env={**os.environ, INSTANCE_VARIABLE: self.instance.name},
                seconds=_STEP_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise OperationError(f"`{_line(command)}` did not end within {_STEP_SECONDS:g} s.") from None
        except bounded_program.TooMuchOutputError as error:
            raise OperationError(f"`{_line(command)}` is not used: {error.strerror}.") from None


def _line(command: tuple[str, ...]) -> str:
    return shlex.join(["cdcproof", *command])


def printed(command: tuple[str, ...]) -> str:
    """A command of a scenario as the document has it."""
    return _line(command).replace("'--timestamp={backup}'", "--timestamp=TIMESTAMP")


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    return scrub("\n".join((done.stderr or done.stdout).strip().splitlines()[-5:]))
