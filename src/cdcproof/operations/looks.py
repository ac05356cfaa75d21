"""Looks at several services at once, as checks and the soak both take them."""

from __future__ import annotations

from cdcproof.clients.connect import Connect
from cdcproof.clients.kafka import Kafka
from cdcproof.databases.base import Database
from cdcproof.environments.base import Environment
from cdcproof.errors import CdcproofError
from cdcproof.observations.lag import SinkLag
from cdcproof.observations.services import Services, subject
from cdcproof.observations.slots import Slots
from cdcproof.operations import connector_config
from cdcproof.pipeline import Pipeline


def services(environment: Environment, pipeline: Pipeline) -> Services:
    """Every expected service, as the environment lists it now."""
    return Services(
        environment.services(pipeline),
        tuple(subject(service.name, service.role) for service in pipeline.services),
        lambda name: environment.logs(pipeline, name, lines=50),
    )


def sink_lag(kafka: Kafka, pipeline: Pipeline) -> SinkLag:
    """The consumer group of every sink connector, and its lag."""
    groups = [sink.consumer_group for sink in pipeline.sinks]
    lag = {group: kafka.lag(group) for group in groups}
    read = {partition.topic for partitions in lag.values() for partition in partitions}
    existing = kafka.topics()  # one that is missing is the finding of another check
    unread = [table.topic for table in pipeline.tables if table.topic in existing and table.topic not in read]
    if unread:  # each sink may be the one that should: they count as the lag of all
        lag = {group: kafka.lag(group, unread) for group in groups}
    return SinkLag(tuple(kafka.group(group) for group in groups), lag)


def slots(source: Database, connect: Connect, pipeline: Pipeline) -> Slots:
    """Replication slots of the source's server. A slot that any connector reads is known by it, if Connect answers."""
    readers: dict[str, str] | None
    try:
        addresses = {c.name: connector_config.source_address(c.config) for c in connect.states().connectors}
    except CdcproofError:
        readers = None
    else:
        readers = {address.slot: name for name, address in addresses.items() if address and address.slot}
    return Slots(source.slots(), pipeline.source, readers)
