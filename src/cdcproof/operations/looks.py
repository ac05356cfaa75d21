"""Looks at several services at once, as checks and the soak both take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cdcproof.clients.connect import Connect, ConnectorStates
from cdcproof.clients.kafka import Kafka
from cdcproof.databases.base import Database
from cdcproof.environments.base import Environment
from cdcproof.errors import CdcproofError, CouldNotLookError
from cdcproof.observations.lag import SinkLag
from cdcproof.observations.services import Services, subject
from cdcproof.observations.slots import Slots
from cdcproof.operations import connector_config
from cdcproof.pipeline import Connector, Pipeline


def services(environment: Environment, pipeline: Pipeline) -> Services:
    """Every expected service, as the environment lists it now."""
    return Services(
        environment.services(pipeline),
        tuple(subject(service.name, service.role) for service in pipeline.services),
        lambda name: environment.logs(pipeline, name, lines=50),
    )


def connector_states(connect: Connect, pipeline: Pipeline) -> ConnectorStates:
    """Every connector but those of other pipelines."""
    return connect.states().leaving_out(pipeline.is_neighbour)


def halted(connect: Connect, connectors: Iterable[Connector]) -> dict[str, str]:
    """Connector to why it does not run, of those that do not. A Connect that cannot be asked runs none."""
    try:
        states = connect.states()
    except CouldNotLookError as error:
        return {connector.name: error.message for connector in connectors}
    return {c.name: why for c in connectors if (why := states.halted(c.name))}


def sink_lag(kafka: Kafka, pipeline: Pipeline, halted: Mapping[str, str] | None = None) -> SinkLag:
    """The consumer group of every sink connector, and its lag. `halted`: connector to why it does not run."""
    groups = [sink.consumer_group for sink in pipeline.sinks]
    lag = {group: kafka.lag(group) for group in groups}
    read = {partition.topic for partitions in lag.values() for partition in partitions}
    existing = kafka.topics()  # one that is missing is the finding of another check
    unread = [table.topic for table in pipeline.tables if table.topic in existing and table.topic not in read]
    if unread:  # each sink may be the one that should: they count as the lag of all
        lag = {group: kafka.lag(group, unread) for group in groups}
    idle = {sink.consumer_group: why for sink in pipeline.sinks if (why := (halted or {}).get(sink.name))}
    return SinkLag(tuple(kafka.group(group) for group in groups), lag, idle)


def slots(source: Database, connect: Connect, pipeline: Pipeline) -> Slots:
    """Replication slots of the source's server. A slot that any connector reads is known by it, if Connect answers."""
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
        of_halted = {name for name in ours if states.halted(name)}
        unread = frozenset(slot for slot, name in readers.items() if name in of_halted)
        if of_halted == ours:
            unread |= own - readers.keys()
    return Slots(source.slots(), pipeline.source, readers, unread)
