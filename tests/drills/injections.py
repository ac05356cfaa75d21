"""Faults that any other may befall together with: how each is injected and healed, and all that a morning must show of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from cdcproof.environments.embedded import connectors, lifecycle
from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from cdcproof.reporting.record import StepRecord
from tests.integration.conftest import INSTANCE, Pipelines, eventually
from tests.integration.test_morning_faults import OF_KAFKA, states

SINK, SOURCE = connectors.SINK, connectors.SOURCE
Side = Callable[..., str]


@dataclass(frozen=True)
class Injection:
    """`seen`: step to its verdict and the words by which it names the object; `blocked`: what the fault keeps from being looked at."""

    name: str
    made: Callable[[Pipelines], AbstractContextManager[None]]
    seen: Mapping[str, tuple[Verdict, str]]
    blocked: frozenset[str] = field(default_factory=frozenset)


def expected(healthy: Mapping[str, Verdict], faults: tuple[Injection, ...]) -> dict[str, Verdict]:
    """All verdicts of a morning with these faults: causes are red, what one of them blocks is blocked, whatever else is wrong with it."""
    red = {step: verdict for fault in faults for step, (verdict, _) in fault.seen.items()}
    failed = {step for fault in faults for step, (verdict, _) in fault.seen.items() if verdict is Verdict.FAILED}
    blocked = {step for fault in faults for step in fault.blocked}
    return {**healthy, **red, **dict.fromkeys(failed, Verdict.FAILED), **dict.fromkeys(blocked, Verdict.BLOCKED)}


def text(step: StepRecord) -> str:
    """What a step says of the objects that are wrong."""
    return "\n".join((step.reason, *(f"{d.subject} {d.found} {d.detail}" for d in step.differences)))


def killed(service: str) -> Callable[[Pipelines], AbstractContextManager[None]]:
    @contextmanager
    def kill(pipelines: Pipelines) -> Iterator[None]:
        lifecycle.kill(INSTANCE, service)
        try:
            yield
        finally:
            pipelines.heal()

    return kill


def paused(connector: str) -> Callable[[Pipelines], AbstractContextManager[None]]:
    @contextmanager
    def pause(pipelines: Pipelines) -> Iterator[None]:
        try:
            pipelines.connect.pause(connector)
            eventually(lambda: states(pipelines)[f"{connector}/0"] == "PAUSED", what="the pause")
            yield
        finally:
            pipelines.connect.resume(connector)
            eventually(lambda: states(pipelines)[f"{connector}/0"] == "RUNNING", what="the connector to run again")

    return pause


def run(side: Side, broken: str, healed: str) -> Callable[[Pipelines], AbstractContextManager[None]]:
    """By SQL, as an administrator of one of the databases."""

    @contextmanager
    def break_it(pipelines: Pipelines) -> Iterator[None]:
        side(pipelines.instance, broken)
        try:
            yield
        finally:
            side(pipelines.instance, healed)

    return break_it


@contextmanager
def no_report(pipelines: Pipelines) -> Iterator[None]:
    pipelines.forget_reports()
    try:
        yield
    finally:
        pipelines.report()


@contextmanager
def too_few_in_sync(pipelines: Pipelines) -> Iterator[None]:
    least(pipelines, "2")
    try:
        yield
    finally:
        least(pipelines, "1")


def least(pipelines: Pipelines, number: str) -> None:
    """Set how many replicas of the topic of shipments must be in sync; it has one."""
    topic = next(t.topic for t in pipelines.located().tables if t.name == "shipments")
    entry = ConfigEntry("min.insync.replicas", number, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": pipelines.located().kafka.bootstrap_servers})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(20)


FAILED, NOT_CHECKED = Verdict.FAILED, Verdict.NOT_CHECKED
_SLOT = "SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')"
_BACK = "BEGIN; DROP TABLE IF EXISTS inventory; ALTER TABLE aside RENAME TO inventory; COMMIT"
"""A sink that starts again reads its last records again, and makes a table that is gone anew."""
_CAPTURED = "DO $$ BEGIN ALTER PUBLICATION cdcproof ADD TABLE orders; EXCEPTION WHEN duplicate_object THEN END $$"
"""`up`, which starts a killed service again, adds it too."""
_SERVICE = "morning.1-services"
INJECTIONS = (
    Injection("ZooKeeper is killed", killed("zookeeper"), {_SERVICE: (FAILED, "zookeeper")}, frozenset({"morning.9-topics"})),
    Injection(
        "the schema registry is killed", killed("schema-registry"), {_SERVICE: (FAILED, "schema-registry")},
        frozenset({"morning.6-registry-answers", "morning.9-registry"}),
    ),
    Injection("Kafka is killed", killed("kafka"), {_SERVICE: (FAILED, "kafka")}, frozenset(OF_KAFKA)),
    Injection(
        "the exporter is killed", killed("exporter"),
        {f"morning.4-metrics-{one}": (NOT_CHECKED, "exporter") for one in ("reconciliation", "connectors")},
    ),
    Injection("the sink is paused", paused(SINK), {"morning.2-connectors": (FAILED, SINK)}),
    Injection(
        "the source is paused", paused(SOURCE),
        {"morning.2-connectors": (FAILED, SOURCE), "morning.7-source-lag": (NOT_CHECKED, SOURCE)},
    ),
    Injection(
        "there is no report", no_report, {"morning.3-reconciliation": (FAILED, "no report")},
        frozenset({"morning.4-metrics-reconciliation"}),
    ),
    Injection(
        "a slot is forgotten", run(databases.source, _SLOT, "SELECT pg_drop_replication_slot('forgotten')"),
        {"morning.8-replication-slots": (FAILED, "forgotten")},
    ),
    Injection(
        "a table is gone at the target",
        run(databases.target, "ALTER TABLE inventory RENAME TO aside", _BACK),
        {"morning.9-tables": (FAILED, "inventory")},
    ),
    Injection(
        "a column is added at the source",
        run(databases.source, "ALTER TABLE products ADD loyalty text", "ALTER TABLE products DROP loyalty"),
        {"morning.9-columns": (FAILED, "loyalty")},
    ),
    Injection(
        "the sink may not write to a table",
        run(databases.target, "REVOKE DELETE ON shipments FROM sink", "GRANT DELETE ON shipments TO sink"),
        {"morning.9-accounts": (FAILED, "shipments")},
    ),
    Injection(
        "a table is not captured",
        run(databases.source, "ALTER PUBLICATION cdcproof DROP TABLE orders", _CAPTURED),
        {"morning.9-capture": (FAILED, "orders"), "morning.9-tables": (FAILED, "orders")},
    ),
    Injection("a topic wants two replicas", too_few_in_sync, {"morning.9-topics": (FAILED, "shipments")}),
)  # fmt: skip
