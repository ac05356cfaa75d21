"""Looks at several services at once, as checks and the soak both take them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal, TypeVar

from cdcproof.clients.connect.client import Connect, ConnectorStates
from cdcproof.clients.connect.transforms import drops_tombstones
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import PartitionLag, Place
from cdcproof.clients.schema_registry import Registry
from cdcproof.connectors import handled_dead_letters
from cdcproof.connectors.settings import accounts, capture, travelling
from cdcproof.connectors.settings import config as connector_config
from cdcproof.core.errors import CdcproofError, CouldNotLookError, UnexpectedAnswerError
from cdcproof.core.waiting import last_look
from cdcproof.databases.administration import administer
from cdcproof.databases.contracts.catalogue import tables_beside
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import TableName
from cdcproof.environments.base import Environment
from cdcproof.observations.databases.own_rights import OwnRights
from cdcproof.observations.databases.slots import Slots
from cdcproof.observations.dead_letters import DeadLetters, expired
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.observations.schema.columns import ColumnSets
from cdcproof.observations.schema.next_schema import NO_SUBJECT, NextSchemas, Subject, with_another_column
from cdcproof.observations.schema.tables import TableSets
from cdcproof.observations.schema.topics import Topics, connects_own
from cdcproof.observations.services import Services, subject
from cdcproof.pipeline import model
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.in_flight.dead_letters import in_dead_letter_topics

T = TypeVar("T")
_A_RESTART_SECONDS = 5.0
_HISTORY_TOPIC = ("schema.history.internal.kafka.topic", "database.history.kafka.topic")


def settled(look: Callable[[], T], is_right: Callable[[T], bool]) -> T:
    """What is seen once it is right, else after some seconds.

    For a connector that restarts, because it was resumed or got other settings: for a moment its tasks are UNASSIGNED, and
    it has left its group or its slot.
    """
    return last_look(look, is_right, deadline_seconds=_A_RESTART_SECONDS)


def services(environment: Environment, pipeline: Pipeline) -> Services:
    """Every expected service, as the environment lists it now."""
    return Services(
        environment.services(pipeline), tuple(subject(service.name, service.role) for service in pipeline.services)
    )


def services_with_logs(environment: Environment, pipeline: Pipeline) -> Services:
    """The same, with the end of the log of each that fails."""
    return services(environment, pipeline).with_logs(lambda name: environment.logs(pipeline, name, lines=50))


def connector_states(connect: Connect, pipeline: Pipeline) -> ConnectorStates:
    """Every connector but those of other pipelines."""
    return connect.states().leaving_out(pipeline.is_neighbour)


def settled_connector_states(connect: Connect, pipeline: Pipeline) -> ConnectorStates:
    """The same once none is being assigned or restarted, else after some seconds."""
    return settled(lambda: connector_states(connect, pipeline), lambda found: not found.is_on_the_way)


def sink_lag(kafka: Kafka, pipeline: Pipeline, connect: Connect | None = None) -> SinkLag:
    """The consumer group of every sink connector, and its lag in the topics of the pipeline: one that was given up counts no more.

    By `connect` it is known which sinks do not run, which is every one where Connect does not answer, and what they put aside
    in a dead letter topic: that is not lag.
    """
    lag = group_lags(kafka, pipeline)
    groups = list(lag)
    seen = tuple(kafka.group(group) for group in groups)
    skew = pipeline.thresholds.clock_skew_seconds
    if connect is None:
        return SinkLag(seen, lag, clock_skew_seconds=skew)
    try:
        states = connect.states()
    except CouldNotLookError as error:
        return SinkLag(seen, lag, dict.fromkeys(groups, error.message), clock_skew_seconds=skew)
    idle = {sink.consumer_group: why for sink in pipeline.sinks if (why := states.halted(sink.name))}
    aside = mark_passed_over(kafka, pipeline, states, lag)
    read = states.clusters([sink.name for sink in pipeline.sinks], connect.kafka_cluster())
    clusters = {sink.consumer_group: read[sink.name] for sink in pipeline.sinks if sink.name in read}
    return SinkLag(seen, lag, idle, aside, skew, kafka.cluster_id(), clusters)


def group_lags(kafka: Kafka, pipeline: Pipeline) -> dict[str, tuple[PartitionLag, ...]]:
    """The group of each sink to its lag in the topics of the pipeline. A topic that another sink has taken over counts as that one's."""
    groups = [sink.consumer_group for sink in pipeline.sinks]
    lag = {group: kafka.lag(group) for group in groups}
    read = {partition.topic for partitions in lag.values() for partition in partitions}
    existing = kafka.topics()  # one that is missing is the finding of another check
    unread = [table.topic for table in pipeline.tables if table.topic in existing and table.topic not in read]
    if unread:  # each sink may be the one that should: they count as the lag of all
        lag = {group: kafka.lag(group, unread) for group in groups}
    topics = {table.topic for table in pipeline.tables}  # what a group has committed to, it keeps
    taken = {p.topic for partitions in lag.values() for p in partitions if not p.given_up}
    return {
        group: tuple(p for p in partitions if p.topic in topics and not (p.given_up and p.topic in taken))
        for group, partitions in lag.items()
    }


def mark_passed_over(
    kafka: Kafka, pipeline: Pipeline, states: ConnectorStates, lag: dict[str, tuple[PartitionLag, ...]]
) -> dict[str, str]:
    """Group to what is in its dead letter topic; in `lag`, partitions of which the sink writes nothing more are marked."""
    group_of = {sink.name: sink.consumer_group for sink in pipeline.sinks}
    topics = states.dead_letter_topics(group_of)
    found = in_dead_letter_topics(states, kafka, topics)
    for sink, group in group_of.items():
        mine = lag[group]
        behind = {(p.topic, p.partition): p for p in mine if p.lag_records}
        positions = {place: p.next_offset for place, p in behind.items()}
        ends = {place: p.log_end for place, p in behind.items()}
        passed = kafka.put_aside(positions, ends, topics[sink]) if sink in found else frozenset[Place]()
        if (connector := states.get(sink)) and drops_tombstones(connector.config):
            passed |= kafka.only_tombstones(positions, ends)
        lag[group] = tuple(
            replace(p, passed_over=True, lag_seconds=0.0) if (p.topic, p.partition) in passed else p for p in mine
        )
    return {group_of[sink]: text for sink, text in found.items()}


def topics(connect: Connect, kafka: Kafka, pipeline: Pipeline) -> Topics:
    """Topics of the tables, of the schema history, of dead letters, and those by which Connect and Kafka remember."""
    unnamed: dict[str, str] = {}
    try:
        states = connect.states()
    except CouldNotLookError as error:  # what Kafka says counts all the same
        states, unnamed[""] = ConnectorStates(()), error.message
    history: set[str] = set()
    for name in [connector.name for connector in pipeline.connectors] if "" not in unnamed else ():
        connector = states.get(name)
        if connector is None:
            unnamed[name] = "it is not at Connect"
            continue
        named = {connector.config[key] for key in _HISTORY_TOPIC if key in connector.config}
        history |= {topic for topic in named if "${" not in topic}
        if named - history:
            unnamed[name] = f"its topic of schema history is {', '.join(sorted(named - history))}"
    existing = kafka.topics()
    tables = {table.topic for table in pipeline.tables}
    own = connects_own(existing.keys() - tables)
    aside = states.dead_letter_topics(sink.name for sink in pipeline.sinks).values()
    seen = kafka.topic_states({*tables, *history, *own, *aside, "__consumer_offsets", "__transaction_state"})
    return Topics(seen, history, own, unnamed)


def next_schemas(registry: Registry, pipeline: Pipeline) -> NextSchemas:
    """What the registry would do with the next schema of each table, by the usual names of subjects."""
    there = set(registry.subjects())
    names = [f"{table.topic}-value" for table in pipeline.tables]
    found = {
        name: Subject(registry.mode_of(name), *(_takes(registry, name) if name in there else (None, NO_SUBJECT)))
        for name in names
    }
    return NextSchemas(found, registry.compatibility())


def _takes(registry: Registry, name: str) -> tuple[bool | None, str]:
    """Whether a subject would take another column; None and the reason where that cannot be tried."""
    changed = with_another_column(registry.latest(name))
    if changed is None:
        return None, "no Avro, or a record of a form that is not known"
    try:
        return registry.would_take(name, changed), ""
    except UnexpectedAnswerError as error:
        return None, error.message


def dead_letters(connect: Connect, kafka: Kafka, pipeline: Pipeline) -> DeadLetters:
    """The dead letter topic of every sink, and what it keeps."""
    states = connect.states()
    sinks = [sink.name for sink in pipeline.sinks]
    topics = states.dead_letter_topics(sinks)
    unnamed = {sink: f"its topic is {topic}" for sink, topic in topics.items() if "${" in topic}
    unnamed |= {sink: "it is not at Connect" for sink in sinks if states.get(sink) is None}
    named = {sink: topics.get(sink, "") for sink in sinks if sink not in unnamed}
    wanted = [topic for topic in named.values() if topic]
    if not wanted:
        return DeadLetters(named, {}, unnamed)
    offsets = kafka.kept_offsets(wanted)
    ends = {place: one.stop for place, one in offsets.items()}
    handled = handled_dead_letters.noted(pipeline.paths.reports, kafka.cluster_id())
    gone = {state.name: expired(state, handled, ends) for state in kafka.topic_states(wanted)}
    kept = {topic: sum(len(one) for (name, _), one in offsets.items() if name == topic) for topic in wanted}
    return DeadLetters(named, kept, unnamed, {topic: one for topic, one in gone.items() if one})


def slots(source: Database, connect: Connect, kafka: Kafka, pipeline: Pipeline) -> Slots:
    """Replication slots of the source's server. A slot that any connector reads is known by it, if Connect answers.

    Without Kafka, Connect goes on reporting RUNNING while its connectors give up.
    """
    readers: dict[str, str] | None
    ours = {connector.name for connector in pipeline.connectors if connector.kind == "source"}
    own = frozenset([pipeline.source.slot] if pipeline.source.slot else [])
    try:
        states = connect.states()
        addresses = {c.name: connector_config.source_address(c.config) for c in states.connectors}
    except CdcproofError:
        readers, unread = None, own
    else:
        readers = {address.slot: name for name, address in addresses.items() if address and address.slot}
        of_halted = {name for name in ours if states.halted(name)} if _answers(kafka) else ours
        unread = frozenset(slot for slot, name in readers.items() if name in of_halted)
        if of_halted == ours:
            unread |= own - readers.keys()
    return Slots(source.log.slots(), pipeline.source, readers, unread)


def settled_slots(source: Database, connect: Connect, kafka: Kafka, pipeline: Pipeline) -> Slots:
    """The same once no connector has left its slot for a moment, else after some seconds."""
    return settled(lambda: slots(source, connect, kafka, pipeline), lambda found: not found.is_on_the_way)


def _answers(kafka: Kafka) -> bool:
    try:
        return kafka.brokers() > 0
    except CouldNotLookError:
        return False


def own_rights(session: Database, pipeline: Pipeline, side: Literal["source", "target"]) -> OwnRights:
    """What the checks' own account may not see of a side: its tables, its heartbeat, and what else they look at there."""
    database: model.Database = getattr(pipeline, side)
    read = [*pipeline.tables, *filter(None, [pipeline.freshness])]
    missing = session.permissions.missing(tuple(TableName.parse(getattr(one, side)) for one in read))
    statements = sorted(
        missing.values(), key=lambda statement: statement.startswith("USE ")
    )  # what goes elsewhere, last
    hidden = session.permissions.hidden()
    showing = administer(database, " ".join(hidden.values()))
    return OwnRights(database.user, missing, administer(database, " ".join(statements)), hidden, showing)


def table_sets(
    connect: Connect, source: Database, target: Database, topics: Collection[str], pipeline: Pipeline
) -> TableSets:
    """Where each expected table is. Another one counts as captured where the lists of a source connector let it through.

    Without a source connector that answers and is understood, that is not known of any other one.
    """
    targets = {table.name: TableName.parse(table.target) for table in pipeline.tables}
    at_target = tables_beside(target.catalogue, targets.values())
    emptied = target.catalogue.emptied_by_a_crash(targets.values())
    unlogged = {name: emptied[table] for name, table in targets.items() if table in emptied}
    names = {TableName.parse(table.source) for table in pipeline.tables}
    try:
        running, _ = accounts.own(connect, pipeline)
    except CdcproofError:
        running = ()
    readers = [account for account in running if account.side == "source"]
    if not readers:
        everything = source.log.captured_tables()
        return TableSets(pipeline, everything & names, topics, at_target, everything - names, unlogged)
    captured: set[TableName] = set()
    others: set[TableName] = set()
    for reader in readers:
        state = capture.state_of(pipeline, *travelling.names(reader.config))
        expected = {name: table for name, table in state.captured.items() if name in names}
        inner = {part for table in expected.values() for part in table.names}
        captured |= expected.keys() | {
            name for name in state.travelling() - inner if travelling.let_through(reader, [name])
        }
        others |= state.travelling() - inner
    return TableSets(pipeline, captured, topics, at_target, others - captured, unlogged)


def column_sets(source: Database, target: Database, pipeline: Pipeline) -> ColumnSets:
    """The columns of each expected table that is on both sides."""
    names = {table.name: (TableName.parse(table.source), TableName.parse(table.target)) for table in pipeline.tables}
    at_source = tables_beside(source.catalogue, [ours for ours, _ in names.values()])
    at_target = tables_beside(target.catalogue, [theirs for _, theirs in names.values()])
    seen = {
        name: (source.catalogue.columns(ours), target.catalogue.columns(theirs))
        for name, (ours, theirs) in names.items()
        if ours in at_source and theirs in at_target
    }
    return ColumnSets(pipeline.tables, seen)
