"""Find the addresses that lead from here to what Connect uses: databases, brokers, registry.

`note` is called with a section of the pipeline file and a sentence for the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from cdcproof.clients.http import shown
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.schema_registry import Registry
from cdcproof.clients.sockets import accepts, peers_of_listener
from cdcproof.connectors.settings.config import Config, said
from cdcproof.connectors.settings.jdbc_url import Address
from cdcproof.core.errors import CouldNotLookError
from cdcproof.pipeline import model
from cdcproof.pipeline.model import PLACEHOLDER

AddNote = Callable[[str, str], None]

_BROKER_PORTS = (9092, 29092, 9094, 19092)
_REGISTRY_PORT = 8081


def at(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable_here(source: Address, target: Address, connect_host: str, note: AddNote) -> tuple[Address, Address]:
    """Connectors name hosts as Connect sees them (names of containers, say); use names that connect from here."""
    found: list[Address] = []
    for section, address in (("source", source), ("target", target)):
        if address.host is None or accepts(address.host, address.port):
            found.append(address)
            continue
        host = next((h for h in dict.fromkeys((connect_host, "localhost")) if accepts(h, address.port)), None)
        if host is None:
            note(
                section,
                f"{at(address.host, address.port)}, as the connector names it, does not accept connections from here: "
                "write the address at which this machine reaches the database.",
            )
            found.append(address)
        else:
            note(
                section,
                f"{at(address.host, address.port)}, as the connector names it, does not accept connections from here, "
                f"but {at(host, address.port)} does, and is used.",
            )
            found.append(replace(address, host=host))
    places = [(a.host, a.port) for a in found]
    if places[0] == places[1] and source.host != target.host:
        note("target", f"Source and target cannot both be {found[1].host}:{found[1].port}: write both addresses.")
        return source, target
    return found[0], found[1]


def find_kafka(
    connect_url: str, configs: Iterable[Config], cluster_id: str, not_brokers: Collection[int], note: AddNote
) -> str:
    """Bootstrap servers that lead to Connect's own cluster; `PLACEHOLDER` when none is found.

    Beside what the connectors say, brokers are looked for at Connect's host: at the usual ports, and, on this machine,
    where Connect is connected to. There the cluster's id decides. `not_brokers` are ports known to be something else.
    """
    host = urlsplit(connect_url).hostname or "localhost"
    configured = [
        server
        for config in configs
        for key in config
        if key.endswith("bootstrap.servers") and (server := said(config, key))
    ]
    ports = [int(p) for s in configured if (p := s.split(",", maxsplit=1)[0].rpartition(":")[2]).isdigit()]
    near = [
        *(f"{host}:{port}" for port in dict.fromkeys((*ports, *_BROKER_PORTS)) if accepts(host, port)),
        *(f"{peer}:{port}" for peer, port in _peers_of_connect(connect_url) if port not in not_brokers),
    ]
    for candidate in dict.fromkeys([*configured, *(near if cluster_id else [])]):
        if _is_cluster(candidate, cluster_id):
            if candidate not in configured:
                note("kafka", f"Found at {candidate}: the broker there has Connect's cluster id {cluster_id}.")
            return candidate
    note("kafka", "The brokers' address could not be learned: write host:port, or run init with --kafka.")
    return PLACEHOLDER


def find_registry(
    connect_host: str, configs: Iterable[Config], asked_url: str | None, note: AddNote
) -> model.HttpService | None:
    """The schema registry that was asked for, that the converters use, or that answers at the usual port."""
    configured = next(
        (
            url
            for config in configs
            for key in config
            if key.endswith("schema.registry.url") and (url := said(config, key))
        ),
        None,
    )
    usual = f"http://{connect_host}:{_REGISTRY_PORT}"
    for url in (asked_url, configured, usual):
        if url is None:
            continue
        address = shown(url.split(",", maxsplit=1)[0])
        try:
            service = model.HttpService(url=address)
        except ValueError:
            note("registry", f"{address}, as a converter names the registry, is no http address: left out.")
            continue
        try:
            Registry(service).subjects()
        except CouldNotLookError:
            if url is usual:
                continue
            note("registry", f"{address} did not answer as a schema registry does when this file was written.")
        if url is usual:
            note("registry", f"No converter names a registry; one answers at the usual port: {address}.")
        if "@" in urlsplit(url).netloc:
            note("registry", "The converter's address holds a user: write it here as user and password_env.")
        return service
    apicurio = next(
        (shown(config[key]) for config in configs for key in config if key.endswith("apicurio.registry.url")), None
    )
    note(
        "registry",
        f"A converter names an Apicurio registry, {apicurio}: run init with --registry-url and its address of Confluent's form "
        "(…/apis/ccompat/v7)."
        if apicurio
        else "No converter names a schema registry: if there is one, run init with --registry-url.",
    )
    return None


def _peers_of_connect(connect_url: str) -> tuple[tuple[str, int], ...]:
    """When Connect runs on this machine: the addresses to which its process is connected."""
    parts = urlsplit(connect_url)
    if parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        return ()
    return tuple((f"[{host}]" if ":" in host else host, port) for host, port in peers_of_listener(parts.port or 80))


def _is_cluster(bootstrap: str, cluster_id: str) -> bool:
    """Whether the cluster with this id answers there, and its brokers' own addresses lead somewhere from here."""
    if not bootstrap.strip():
        return False
    kafka = Kafka(model.Kafka(bootstrap_servers=bootstrap))
    try:
        if cluster_id and kafka.cluster_id() != cluster_id:
            return False
        kafka.group("cdcproof-init")  # asks a broker by the address that it advertises
    except CouldNotLookError:
        return False
    return True
