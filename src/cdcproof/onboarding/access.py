"""Try every address, permission and name in a pipeline file. Looks only."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Literal

from cdcproof.clients import notifier
from cdcproof.clients.connect.client import Connect, ConnectorStates
from cdcproof.clients.http import Http
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.prometheus import scrape
from cdcproof.clients.schema_registry import Registry
from cdcproof.connectors.settings.config import consumer_group
from cdcproof.core.errors import CdcproofError, ConfigError, CouldNotLookError, UnexpectedAnswerError, UsageError
from cdcproof.core.secrets import inline_secrets
from cdcproof.core.waiting import side_by_side
from cdcproof.databases.connections import connect as open_database
from cdcproof.databases.connections import connect_for_deployment as open_deployment
from cdcproof.databases.connections import connect_for_health as open_health
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.contracts.health import Reader
from cdcproof.databases.names import TableName
from cdcproof.databases.test_rows import connect_to_write
from cdcproof.environments.base import Environment
from cdcproof.observations.databases.account_rights_reading import reader_needs
from cdcproof.observations.reconciliation.exporter_page import INFO, UP, not_own
from cdcproof.oncall.notify import addresses
from cdcproof.pipeline import model
from cdcproof.pipeline.model import PLACEHOLDER
from cdcproof.pipeline.notification import Notify
from cdcproof.reconcile.plan.filters import refusal
from cdcproof.validation.round_trip.journey import travellers
from cdcproof.validation.round_trip.run import look_before

_DEADLINE_SECONDS = 25.0
_JDBC_PARAMETER = re.compile(r"password=", re.IGNORECASE)


class Outcome(StrEnum):
    """OK; RISK: works, but should be known; WRONG: the file does not fit; UNSEEN: could not be looked at."""

    OK = "ok"
    RISK = "risk"
    WRONG = "wrong"
    UNSEEN = "could not look"


@dataclass(frozen=True)
class Item:
    """One thing that was tried. `remedy` is a command or a sentence, empty where nothing is to be done."""

    subject: str
    outcome: Outcome
    text: str
    remedy: str = ""


Items = Iterator[Item]


def exit_status(items: tuple[Item, ...]) -> int:
    """2 when the file is wrong, else 3 when something could not be looked at, else 0."""
    outcomes = {item.outcome for item in items}
    return 2 if Outcome.WRONG in outcomes else 3 if Outcome.UNSEEN in outcomes else 0


def look(environment: Environment, pipeline: model.Pipeline, today: date) -> tuple[Item, ...]:
    """Try everything side by side, for at most 25 seconds; in the order of the file. Never raises for what it sees."""
    jobs: dict[str, Callable[[], Items]] = {
        "source": partial(_database, pipeline, "source"),
        "target": partial(_database, pipeline, "target"),
        "connect": partial(_connect, pipeline),
        "kafka": partial(_kafka, pipeline),
        "registry": partial(_registry, pipeline.registry),
        "prometheus": partial(_ready, "Prometheus", "prometheus", pipeline.prometheus),
        "alertmanager": partial(_ready, "The Alertmanager", "alertmanager", pipeline.alertmanager),
        "pushgateway": partial(_ready, "The Pushgateway", "pushgateway", pipeline.pushgateway),
        "exporters.reconciliation_url": partial(
            _exporter,
            pipeline,
            "exporters.reconciliation_url",
            "reconciliation_row_count_mismatch_total",
            "table",
            pipeline.table_names,
        ),
        "exporters.connect_url": partial(
            _exporter,
            pipeline,
            "exporters.connect_url",
            "connector_state",
            "connector",
            [connector.name for connector in pipeline.connectors],
        ),
        "round_trip": partial(_round_trip, pipeline),
        "lag": partial(_lag, pipeline.source),
        "freshness": partial(_freshness, pipeline),
        "services": partial(_services, environment, pipeline),
        "paths": partial(_paths, pipeline.paths),
        "notify": partial(_notify, pipeline.notify),
        "waivers": partial(_waivers, pipeline, today),
    }
    unfilled = tuple(_unfilled(pipeline.model_dump(mode="json", by_alias=True)))
    for section in ("source", "target", "kafka"):
        if any(item.subject.startswith(f"{section}.") for item in unfilled):
            del jobs[section]
            if section != "kafka":
                for of_both in ("round_trip", "freshness", "lag"):
                    jobs.pop(of_both, None)
    found = side_by_side({name: partial(_guarded, name, job) for name, job in jobs.items()}, _DEADLINE_SECONDS)
    late = f"no answer within {_DEADLINE_SECONDS:g} s"
    return (*unfilled, *(item for name in jobs for item in found.get(name, [Item(name, Outcome.UNSEEN, late)])))


def _notify(rules: Notify | None) -> Items:
    if rules is None:
        return
    urls = addresses(os.environ.get(rules.urls_env, ""))
    if not urls:
        text = f"the environment variable {rules.urls_env} is not set or holds no address, so no message is sent"
        yield Item("notify", Outcome.UNSEEN, text, f"export {rules.urls_env}=…")
    for url in urls:
        problem = notifier.problem(url)
        text = (
            f"{notifier.kind_of(url)} cannot be used: {problem}"
            if problem
            else f"{notifier.kind_of(url)} (nothing sent)"
        )
        yield Item("notify", Outcome.RISK if problem else Outcome.OK, text, "Correct it." if problem else "")


def _guarded(subject: str, job: Callable[[], Items]) -> list[Item]:
    """What the job saw before it could look no further, and why."""
    items = []
    try:
        for item in job():
            items.append(item)  # noqa: PERF402  what was seen before an error must be kept
    except CdcproofError as error:
        outcome = Outcome.WRONG if isinstance(error, ConfigError) else Outcome.UNSEEN
        items.append(Item(subject, outcome, error.message, error.remedy))
    return items


def _unfilled(value: Any, place: str = "") -> Items:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _unfilled(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unfilled(inner, f"{place}.{inner.get('name', number)}" if isinstance(inner, dict) else place)
    elif isinstance(value, str) and PLACEHOLDER in value:
        yield Item(place, Outcome.WRONG, f"still {PLACEHOLDER}: init could not learn it", "Write it into the file.")


def _database(pipeline: model.Pipeline, section: str) -> Items:
    database: model.Database = getattr(pipeline, section)
    names = {
        table: TableName.parse(name) for table in pipeline.tables if (name := getattr(table, section)) != PLACEHOLDER
    }
    with open_database(database) as session:
        yield Item(section, Outcome.OK, f"{session.version()}, as {database.user}")
        if database.type == "sqlserver":
            isolation = session.isolation()
            outcome = Outcome.RISK if isolation.remedy else Outcome.OK
            yield Item(section, outcome, f"tables are read under {isolation}", isolation.remedy)
        missing = session.permissions.missing(tuple(names.values()))
        for subject, statement in missing.items():
            yield Item(section, Outcome.UNSEEN, f"{database.user} lacks a permission: {subject}", statement)
        yield from _rights(pipeline, section, set(missing.values()))
        existing = {t for schema in {n.schema for n in names.values()} for t in session.catalogue.tables(schema)}
        seen = {table: name for table, name in names.items() if name in existing}
        for name in (n for n in names.values() if n not in existing):
            yield Item(
                section,
                Outcome.WRONG,
                f"{name} does not exist in {database.database}, or {database.user} may not see it",
                f"Correct tables.{section}, or create the table, or grant the account the right to see it.",
            )
        differing = [item for table, name in seen.items() for item in _key(session, section, table, name)]
        yield from differing
        if seen and not differing:
            yield Item(section, Outcome.OK, f"{len(seen)} tables are there, with the keys that the file names")
        for table, name in seen.items():
            yield from _filter(session, section, table, name)
        if section == "source":
            yield from _captured(session, database, seen)


def _rights(pipeline: model.Pipeline, section: str, known: set[str]) -> Items:
    """What docs/ACCOUNTS.md grants to the account and it lacks, beyond what is `known` to be, and what it has beyond that."""
    side: Literal["source", "target"] = "source" if section == "source" else "target"
    database: model.Database = getattr(pipeline, side)
    with open_deployment(database) as asked:
        rights = asked.rights(database.user, reader_needs(pipeline, side))
    for subject, statement in rights.missing.items():
        if statement not in known:
            yield Item(section, Outcome.RISK, f"{database.user} lacks a right of its role: {subject}", statement)
    for subject, statement in rights.excessive.items():
        yield Item(section, Outcome.RISK, f"{database.user} has more rights than it needs: {subject}", statement)


def _key(session: Database, section: str, table: model.Table, name: TableName) -> Items:
    actual = session.catalogue.primary_key(name)
    named = table.key if section == "source" else table.target_key
    if PLACEHOLDER not in named and set(actual) != set(named):
        has = f"the primary key {', '.join(actual)}" if actual else "no primary key"
        yield Item(
            section,
            Outcome.WRONG,
            f"{name} has {has}; the file says {', '.join(named) or 'that it has none'}",
            f"Correct tables.key of {table.name}, or the table.",
        )


def _filter(session: Database, section: str, table: model.Table, name: TableName) -> Items:
    """What is wrong with a side's filter: the server refuses it, or it may let a row through at one look and not at the next."""
    condition = table.source_filter if section == "source" else table.target_filter
    if condition is None:
        return
    try:
        parts = session.catalogue.unsteady(name, condition)
    except UnexpectedAnswerError as error:
        correct = f"Correct tables.{section}_filter of {table.name}, which is SQL of that side."
        yield Item(section, Outcome.WRONG, error.message, error.remedy or correct)
        return
    if parts:
        yield Item(section, Outcome.WRONG, *refusal(f"tables.{section}_filter of {table.name}", parts))


def _captured(session: Database, database: model.Database, tables: dict[model.Table, TableName]) -> Items:
    absent = set(tables.values()) - session.log.captured_tables()
    if absent:  # a partitioned table is captured if all of its partitions are
        with open_deployment(database) as asked:
            absent -= asked.capture_state(database.publication or "", database.slot or "").captured.keys()
    where = f"publication {database.publication}" if database.type == "postgresql" else "change data capture"
    if absent:
        yield Item(
            "source",
            Outcome.WRONG,
            f"not in {where}: {', '.join(map(str, sorted(absent)))}",
            "Add them, or leave them out here.",
        )
    elif tables:
        yield Item("source", Outcome.OK, f"{where} has all {len(tables)} tables")


def _lag(source: model.Database) -> Items:
    """Whether the exporter may count what the connector has not read: the checks do without."""
    if source.type != "postgresql" or not source.slot or not source.publication:
        return
    try:
        with open_health(source) as session:
            found = session.unread(Reader(lambda _: True, source.slot, source.publication), bound=1)
    except CouldNotLookError:
        return  # of a source that does not answer, that is said once
    if found.why:
        yield Item("source", Outcome.RISK, f"the exporter cannot count the source's lag: {found.why}", found.remedy)


def _freshness(pipeline: model.Pipeline) -> Items:
    beat = pipeline.freshness
    for database, name in ((pipeline.source, beat.source), (pipeline.target, beat.target)) if beat else ():
        with open_health(database) as session:
            newest = session.newest(TableName.parse(name), beat.column if beat else "")
        if newest is None:
            missing = "See [freshness] in docs/PIPELINE.md: the source connector writes it with its heartbeats."
            yield Item(
                "freshness", Outcome.RISK, f"{name} in {database.database} is empty: no beat has come there", missing
            )
        else:
            yield Item("freshness", Outcome.OK, f"the newest beat in {name} of {database.database} is {newest}")


def _connect(pipeline: model.Pipeline) -> Items:
    connect = Connect(pipeline.connect)
    yield Item("connect", Outcome.OK, f"Kafka Connect {connect.version().version} at {pipeline.connect.url}")
    found = connect.states().leaving_out(pipeline.is_neighbour)
    expected = {connector.name for connector in pipeline.connectors}
    for connector in pipeline.connectors:
        yield from _connector(found, connector)
    for other in found.connectors:
        if other.name not in expected:
            yield Item(
                "connectors",
                Outcome.WRONG,
                f"{other.name} runs, but the file does not expect it",
                "Add it, to connect.other_connectors where it is another pipeline's.",
            )
        in_clear = inline_secrets(other.config)
        if _JDBC_PARAMETER.search(other.config.get("connection.url", "")):
            in_clear.append("connection.url")
        if in_clear:
            yield Item(
                "connectors",
                Outcome.RISK,
                f"{other.name} has a password in clear, readable by whoever reaches Connect: {', '.join(in_clear)}",
                "Let a ConfigProvider fill it in: ${file:/path/secrets.properties:name}",
            )


def _connector(found: ConnectorStates, expected: model.Connector) -> Items:
    connector = found.get(expected.name)
    if connector is None:
        yield Item("connectors", Outcome.WRONG, f"Connect has no {expected.name}", "Correct its name, or deploy it.")
    elif connector.kind != expected.kind:
        yield Item("connectors", Outcome.WRONG, f"{expected.name} is a {connector.kind}", "Correct connectors.kind.")
    elif len(connector.tasks) != expected.tasks:
        yield Item(
            "connectors",
            Outcome.WRONG,
            f"{expected.name} has {_counted(len(connector.tasks), 'task')}; the file says {expected.tasks}",
            "Correct connectors.tasks, or tasks.max of the connector.",
        )
    elif (
        expected.kind == "sink"
        and (group := consumer_group(expected.name, connector.config)) != expected.consumer_group
    ):
        yield Item(
            "connectors",
            Outcome.WRONG,
            f"{expected.name} consumes as {group}; by the file it is {expected.consumer_group}",
            "Write its consumer.override.group.id as connectors.group; leave both out to have Connect name it.",
        )
    else:
        yield Item("connectors", Outcome.OK, f"{expected.name}, a {expected.kind}, {_counted(expected.tasks, 'task')}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _kafka(pipeline: model.Pipeline) -> Items:
    kafka = Kafka(pipeline.kafka)
    topics = kafka.topics()
    found = f"{_counted(kafka.brokers(), 'broker')}, {_counted(len(topics), 'topic')} at {kafka.bootstrap}"
    yield Item("kafka", Outcome.OK, found)
    seen, of_connect = kafka.cluster_id(), _cluster_of_sinks(pipeline)
    if seen and of_connect and seen != of_connect:
        words = f"the cluster {seen}, and Kafka Connect works with the cluster {of_connect}"
        yield Item("kafka", Outcome.WRONG, words, "Correct kafka.bootstrap_servers or connect.url.")
    absent = [table.topic for table in pipeline.tables if table.topic not in (*topics, PLACEHOLDER)]
    if absent:
        yield Item("kafka", Outcome.WRONG, f"no topic {', '.join(absent)}", "Correct tables.topic.")
    for sink in pipeline.sinks:
        group = kafka.group(sink.consumer_group)
        if not group.exists:
            yield Item(
                "kafka",
                Outcome.UNSEEN,
                f"no consumer group {group.name}: {sink.name} never ran, or has another group",
                "Start the connector; if its configuration has a consumer.override.group.id, write that as connectors.group.",
            )


def _cluster_of_sinks(pipeline: model.Pipeline) -> str:
    """The Kafka cluster that the sinks read from; empty where Kafka Connect does not say, or they name brokers of their own."""
    connect = Connect(pipeline.connect)
    try:
        read = connect.states().clusters([sink.name for sink in pipeline.sinks], connect.kafka_cluster())
    except CouldNotLookError:
        return ""
    return next(iter(read.values()), "")


def _registry(service: model.HttpService | None) -> Items:
    if service is None:
        yield Item("registry", Outcome.RISK, "none is named, so none is looked at", "Add [registry] if there is one.")
        return
    yield Item("registry", Outcome.OK, f"{len(Registry(service).subjects())} subjects at {service.url}")


def _ready(name: str, section: str, service: model.HttpService | None) -> Items:
    if service is not None:
        Http.to(name, service).get_text("/-/ready")
        yield Item(section, Outcome.OK, f"ready at {service.url}")


def _exporter(pipeline: model.Pipeline, key: str, series: str, label: str, expected: Iterable[str]) -> Items:
    url: str = getattr(pipeline.exporters, key.rpartition(".")[2])
    try:
        scraped = scrape(url, "The exporter")
    except CouldNotLookError as error:
        raise type(error)(error.message, "Start it with: cdcproof exporter (see its --help)") from None
    absent = sorted(set(expected) - set(scraped.labelled(series, label)))
    own = bool(scraped.series(INFO)) and not not_own(scraped, pipeline)
    down = [service for service, up in scraped.labelled(UP, "service").items() if up != 1]
    if absent and own and down:
        yield Item(
            key,
            Outcome.UNSEEN,
            f"{url} is this pipeline's, and could not look itself: {', '.join(down)}",
            "Bring that back first.",
        )
    elif absent:
        yield Item(
            key,
            Outcome.WRONG,
            f"{url} has no {series} for {', '.join(absent)}: it serves another pipeline",
            "Start the exporter of this pipeline with: cdcproof exporter (see its --help)",
        )
    elif scraped.series(INFO) and (reason := not_own(scraped, pipeline)):
        yield Item(
            key, Outcome.WRONG, f"{url}: {reason}", "Start this pipeline's exporter again, or name its address there."
        )
    else:
        yield Item(key, Outcome.OK, f"{len(scraped.samples)} series at {url}")


def _round_trip(pipeline: model.Pipeline) -> Items:
    rows, limits = travellers(pipeline), pipeline.round_trip
    if not rows:
        return
    with (
        connect_to_write(pipeline.source, limits.source) as source,
        connect_to_write(pipeline.target, limits.target) as target,
    ):
        try:
            _, left = look_before(rows, source, target)
        except UsageError as error:
            yield Item("round_trip", Outcome.WRONG, error.message, error.remedy)
            return
    for remnant in left:
        yield Item(
            "round_trip", Outcome.RISK, f"left by a run that was cut short: {remnant}", "The next run removes it."
        )
    tables = ", ".join(row.table for row in rows)
    yield Item("round_trip", Outcome.OK, f"both accounts can read, and the keys of the test rows are free: {tables}")


def _services(environment: Environment, pipeline: model.Pipeline) -> Items:
    found = environment.services(pipeline)
    for service in found:
        if service.verdict != "up":
            yield Item("services", Outcome.UNSEEN, f"{service.name} is {service.verdict}: {service.detail}")
    up = [service.name for service in found if service.verdict == "up"]
    if up:
        yield Item("services", Outcome.OK, f"up: {', '.join(up)}")


def _paths(paths: model.Paths) -> Items:
    reports = paths.reconciliation_reports
    if reports.is_dir():
        yield _directory("reconciliation_reports", reports)
    else:
        yield Item(
            "paths",
            Outcome.UNSEEN,
            f"reconciliation_reports: there is no directory {reports}",
            "It is made by the first: cdcproof reconcile",
        )
    for key, path in {"backups": paths.backups, **{f"volumes[{n}]": p for n, p in enumerate(paths.volumes)}}.items():
        if path is not None:
            yield _directory(key, path)


def _directory(key: str, path: Path) -> Item:
    if not path.exists():
        return Item("paths", Outcome.WRONG, f"{key}: {path} does not exist here", f"Correct paths.{key}, or make it.")
    if not os.access(path, os.R_OK | os.X_OK):
        return Item("paths", Outcome.UNSEEN, f"{key}: this account may not read {path}", f"chmod o+rx {path}")
    return Item("paths", Outcome.OK, f"{key}: {path}")


def _waivers(pipeline: model.Pipeline, today: date) -> Items:
    for waiver in pipeline.waivers:
        if waiver.expires < today:
            yield Item(
                "waivers",
                Outcome.WRONG,
                f"the waiver for {waiver.step} expired on {waiver.expires}",
                "Take it out, or renew it with a reason.",
            )
        else:
            yield Item("waivers", Outcome.RISK, f"{waiver.step} is waived until {waiver.expires}: {waiver.reason}")
