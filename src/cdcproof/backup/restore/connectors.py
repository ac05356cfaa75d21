"""The connectors around a restore: stopped before it, made again where Connect has lost them, positioned as was decided, and started."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cdcproof.backup.log import Log
from cdcproof.backup.parts import registry, schema_history
from cdcproof.backup.parts.connectors import SavedConnector
from cdcproof.backup.parts.databases import maintenance
from cdcproof.backup.parts.part import MOST_PART_BYTES
from cdcproof.backup.parts.positions import SinkStep, SourceStep
from cdcproof.backup.restore.plan import Plan, reads_no_tables
from cdcproof.clients.connect.client import Connect, ConnectorStates, Offset
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.writes import KafkaWriter
from cdcproof.clients.schema_registry import Registry
from cdcproof.connectors import commands, states
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment.difference import without_name
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.config import Config
from cdcproof.connectors.states import Aim, Watch
from cdcproof.core import bounded
from cdcproof.core.acts import write_down
from cdcproof.core.errors import CdcproofError, ConfigError, CouldNotLookError, OperationError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.connections import connect_to_restore
from cdcproof.pipeline.model import Pipeline

_TIMEOUT_SECONDS = (3.0, 30.0)
_SETTLE_SECONDS = 5.0
_CREATES_STOPPED = (3, 7)
_HISTORY_SETTINGS = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


@dataclass(frozen=True)
class Connectors:
    """The pipeline's connectors at its Connect. Each order is written into acts.log before it is given."""

    pipeline: Pipeline
    log: Log
    deadline_seconds: float

    def connect(self) -> Connect:
        """Its Connect."""
        return Connect(self.pipeline.connect, _TIMEOUT_SECONDS, patience_seconds=0)

    def control(self) -> Control:
        """One that acts, with all the time that it has."""
        return Control(self.connect(), Deadline(self.deadline_seconds), self._write_down, self.log.waiting)

    def demand_means(self, plan: Plan) -> None:
        """Raise `OperationError` where this Connect cannot do what was decided: before anything is done."""
        decision = plan.decision
        if decision is None:
            return
        connect = self.connect()
        version = connect.version().version
        if plan.lost and kafka_version(version) < _CREATES_STOPPED:
            raise OperationError(
                f"Kafka Connect {version} cannot make a connector that is stopped, so that {', '.join(plan.lost)} would start before its position is set.",
                "Restore with --databases-only, then make them again under another name, which has no position yet: cdcproof connectors apply FILE.",
            )
        changes = decision.source is not SourceStep.KEEP or decision.sink is not SinkStep.KEEP
        there = next((one.name for one in self.pipeline.connectors if one.name not in plan.lost), None)
        if changes and there and not connect.can_change_offsets(there):
            raise OperationError(
                f"Kafka Connect {version} cannot change positions, which takes 3.6 or newer: {decision.source}; {decision.sink}.",
                "Restore with --databases-only. Then delete the connectors and make them again under another name, which has no position yet.",
            )

    def stop(self, plan: Plan) -> None:
        """Stop those that are not stopped, the source first."""
        for name in sorted(plan.running, key=lambda name: name in {sink.name for sink in self.pipeline.sinks}):
            done = commands.stop(self.control(), name)
            if not done.outcome.held:
                raise OperationError(f"{name} could not be stopped: {done.outcome.text}")
            self.log.done(f"{name} is stopped")

    def position(self, plan: Plan) -> None:
        """Make lost connectors again, and do what was decided but for `finish`: what this changes early is harmless, should nothing follow."""
        assert plan.decision is not None  # noqa: S101  the caller's
        self._restore_subjects(plan)
        for name in plan.lost:
            self._make(plan.parts.connectors[name])
        for one in self._of_kind(plan, "source"):
            if plan.decision.source is SourceStep.RESET:
                self._reset_source(one)
            elif plan.decision.source is SourceStep.SET:
                self._restore_history(plan, one)
                self._alter(one.name, plan.parts.offsets.connectors[one.name].offsets or ())
                self.log.done(f"{one.name} is set to its position in the backup")
        for one in self._of_kind(plan, "sink"):
            if plan.decision.sink is SinkStep.REWIND:
                self._alter(one.name, plan.parts.offsets.connectors[one.name].offsets or ())
                self.log.done(f"{one.name} is set back to its positions in the backup")
            elif plan.decision.sink is SinkStep.RESET:
                self._reset(one.name)
                self.log.done(f"{one.name} reads its topics from their beginning")

    def finish(self, plan: Plan) -> None:
        """Pass over events of a future that is gone: only once the databases are those of the backup."""
        assert plan.decision is not None  # noqa: S101  the caller's
        if plan.decision.sink is not SinkStep.TO_ENDS:
            return
        kafka = Kafka(self.pipeline.kafka)
        kept = kafka.kept_offsets([table.topic for table in self.pipeline.tables])
        for one in self._of_kind(plan, "sink"):
            ends = [_sink_offset(topic, partition, log.stop) for (topic, partition), log in sorted(kept.items())]
            self._alter(one.name, ends)
            self.log.done(f"{one.name} is set to the ends of its topics")

    def start(self, plan: Plan) -> None:
        """Start them, the sink first, and wait until all of them run, and go on running."""
        self._start([one.name for kind in ("sink", "source") for one in self._of_kind(plan, kind)])

    def start_again(self, plan: Plan) -> None:
        """Those that ran before, of a restore that has changed nothing. Never raises our errors: that it failed is said already."""
        names = [name for name, state in plan.running.items() if state == states.RUNNING]
        try:
            self._start(names)
        except CdcproofError as error:
            self.log.note(f"The connectors are still stopped: {error.message}")

    def _start(self, names: list[str]) -> None:
        if not names:
            return
        control = self.control()
        for name in names:
            done = commands.resume(control, name, self.pipeline, 0.0)
            if not done.outcome.held:
                raise OperationError(f"{name} does not run: {done.outcome.text}")
        watches = {
            name: Watch(Aim(states.RUNNING, commands.expected_tasks(self.pipeline, name), _SETTLE_SECONDS))
            for name in names
        }
        for name, outcome in control.follow(watches).items():
            if not outcome.held:
                raise OperationError(f"{name} does not go on running: {outcome.text}")
            self.log.done(f"{name} runs")

    def _of_kind(self, plan: Plan, kind: str) -> list[SavedConnector]:
        own = {one.name for one in self.pipeline.connectors}
        return [one for one in plan.parts.connectors.values() if one.kind == kind and one.name in own]

    def _make(self, one: SavedConnector) -> None:
        control = self.control()
        config = without_name(one.config)
        control.order(
            f"make {one.name} again, stopped", lambda: control.connect.create(one.name, config, states.STOPPED)
        )
        stopped = commands.stop(control, one.name)
        if not stopped.outcome.held:
            raise OperationError(f"{one.name} was made, and is not stopped: {stopped.outcome.text}")
        self.log.done(f"{one.name} is made again from the backup, stopped")

    def _reset_source(self, one: SavedConnector) -> None:
        control = self.control()
        now = control.states(one.name).get(one.name)
        config = without_name(now.config if now else one.config)
        self._reset(one.name)
        address = connector_config.source_address(config)
        if address and address.slot:
            with connect_to_restore(maintenance(self.pipeline, "source")) as server:
                self._write_down(f"drop the replication slot {address.slot}")
                if server.drop_slot(address.slot):
                    self.log.done(f"the replication slot {address.slot} is dropped: it is of the old history")
        if reads_no_tables(config):
            before = config.get("snapshot.mode", "")
            wanted = {**config, "snapshot.mode": "initial"}
            control.order(
                f"set snapshot.mode of {one.name} to initial", lambda: control.connect.put_config(one.name, wanted)
            )
            self.log.note(
                f"{one.name} had snapshot.mode={before} and would read no tables: it is initial now. After its snapshot: "
                f"cdcproof connectors update {one.name} --set snapshot.mode={before}"
            )
        self.log.done(f"{one.name} has no position: it begins with a new snapshot")

    def _reset(self, name: str) -> None:
        control = self.control()
        control.order(f"reset the offsets of {name}", lambda: control.connect.reset_offsets(name))

    def _alter(self, name: str, offsets: tuple[Offset, ...] | list[Offset]) -> None:
        """Exactly these: positions that it has besides are forgotten."""
        control = self.control()
        wanted = [one["partition"] for one in offsets]
        now = control.ask(f"the offsets of {name}", lambda: control.connect.offsets(name))
        forgotten = [{"partition": one["partition"], "offset": None} for one in now if one["partition"] not in wanted]
        control.order(f"set the offsets of {name}", lambda: control.connect.alter_offsets(name, [*offsets, *forgotten]))
        found = control.ask(f"the offsets of {name}", lambda: control.connect.offsets(name))
        if not _alike(found, offsets):
            raise OperationError(
                f"Connect took other positions of {name} than the restore has set.", "Read the log of Connect."
            )

    def _restore_history(self, plan: Plan, one: SavedConnector) -> None:
        """The schema history, where its topic is gone or empty: a connector with a position does not start without."""
        for topic in schema_history.topics([one]):
            kept = Kafka(self.pipeline.kafka).kept_records([topic])
            if kept.get(topic):
                continue
            try:
                text = bounded.read_text(plan.folder / plan.manifest.parts["schema_history"], MOST_PART_BYTES)
                records = [record for record in schema_history.read(text) if record.place[0] == topic]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"The schema history of this backup cannot be read: {bounded.reason(error)}.", path=plan.folder
                ) from None
            writer = KafkaWriter(self.pipeline.kafka)
            self._write_down(f"restore the schema history in {topic}")
            if topic not in kept:
                writer.create_topic(topic, _HISTORY_SETTINGS)
            self.log.done(f"schema history: {writer.append(records)} records in {topic}")

    def _restore_subjects(self, plan: Plan) -> None:
        """What the registry has lost: records in the topics name their schema by its id. A registry that does not answer stops no restore."""
        part = plan.manifest.parts.get("registry")
        if part is None or self.pipeline.registry is None:
            return
        try:
            text = bounded.read_text(plan.folder / part, MOST_PART_BYTES)
            self._write_down("register the subjects that the schema registry has lost")
            count, changed = registry.restore(Registry(self.pipeline.registry), text)
        except CouldNotLookError as error:
            self.log.note(f"The subjects were not looked at: {error.message}")
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"The subjects of this backup cannot be read: {bounded.reason(error)}.", path=plan.folder
            ) from None
        if count:
            self.log.done(f"{count} subjects that the schema registry had lost are registered again")
        if changed:
            self.log.note(
                f"Their ids are others ({'; '.join(changed)}): records that are in the topics already cannot be read by them. "
                "A sink that fails on one: give the ids back by the registry's own restore, or reset the sink and the source."
            )

    def _write_down(self, what: str) -> None:
        write_down(self.pipeline.paths.reports, "restore", what)


def seen(connectors: Connectors, saved: Mapping[str, SavedConnector]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The pipeline's connectors that are not STOPPED, with their states, and those of the backup that Connect has lost."""
    own = [one.name for one in connectors.pipeline.connectors]
    now = connectors.control().states(*own)
    found = {name: one.state for name in own if (one := now.get(name))}
    running = {name: state for name, state in found.items() if state != states.STOPPED}
    return running, tuple(name for name in own if name not in found and name in saved)


def others(
    states_now: ConnectorStates, pipeline: Pipeline, sides: Collection[str], saved: Mapping[str, SavedConnector]
) -> dict[str, str]:
    """Connectors of others that use a database that is restored, with their states: by the addresses that the pipeline's own have, or had."""
    own = {one.name for one in pipeline.connectors}
    configs = [one.config for one in states_now.connectors if one.name in own]
    configs += [one.config for one in saved.values() if one.name in own]
    restored = {(side, place) for config in configs for side, place in _places(config) if side in sides}
    return {
        one.name: one.state
        for one in states_now.connectors
        if one.name not in own and restored.intersection(_places(one.config))
    }


def _places(config: Config) -> list[tuple[str, tuple[str | None, ...]]]:
    """The side, and the server and database, that a connector uses; a reference in its address stands for itself."""
    found = (("source", connector_config.source_address(config)), ("target", connector_config.sink_address(config)))
    return [
        (
            side,
            (address.engine, (address.host or "").lower(), str(address.port or ""), (address.database or "").lower()),
        )
        for side, address in found
        if address
    ]


def _sink_offset(topic: str, partition: int, offset: int) -> Offset:
    return {"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": {"kafka_offset": offset}}


def _alike(found: tuple[Offset, ...], wanted: tuple[Offset, ...] | list[Offset]) -> bool:
    def comparable(offsets: tuple[Offset, ...] | list[Offset]) -> list[str]:
        return sorted(str((sorted(one["partition"].items()), sorted(one["offset"].items()))) for one in offsets)

    return comparable(found) == comparable(wanted)


def kafka_version(version: str) -> tuple[int, int]:
    """(3, 9) of 3.9.2. Confluent Platform counts otherwise: its 7.5.0-ccs is Kafka 3.5, and its 8.0 is 4.0."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if not found:
        return (0, 0)
    major, minor = int(found[1]), int(found[2])
    return (major - 4, minor) if re.search(r"-c(cs|e)", version) else (major, minor)
