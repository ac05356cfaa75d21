"""The servers of a pipeline that may have TLS, and the files with certificates that its file names. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cdcproof.clients.certificates import Protocol
from cdcproof.pipeline.model import HttpService, Pipeline

_HTTPS_PORT = 443


@dataclass(frozen=True)
class Endpoint:
    """A server that may have TLS, by the key of the pipeline file that names it."""

    key: str
    host: str
    port: int
    protocol: Protocol = "tls"

    @property
    def subject(self) -> str:
        """``target at db:5432``."""
        return f"{self.key} at {self.host}:{self.port}"


def has_certificates(pipeline: Pipeline) -> bool:
    """Whether there may be any: a server that may have TLS, or a file."""
    return bool(pipeline.kafka.uses_tls or files(pipeline) or next(endpoints(pipeline), None))


def endpoints(pipeline: Pipeline) -> Iterator[Endpoint]:
    """Databases and addresses with https."""
    for key, database in (("source", pipeline.source), ("target", pipeline.target)):
        # libpq takes several hosts, and a directory with a socket, which has no TLS
        hosts = [host.strip() for host in database.host.split(",") if not host.strip().startswith("/")]
        yield from (
            Endpoint(key, host, database.port, database.type) for host in hosts if database.encrypt is not False
        )
    for key, url in _addresses(pipeline).items():
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            yield Endpoint(key, parts.hostname, parts.port or _HTTPS_PORT)


def _addresses(pipeline: Pipeline) -> dict[str, str]:
    return {
        **{key: service.url for key, service in _services(pipeline).items()},
        "exporters.reconciliation_url": pipeline.exporters.reconciliation_url,
        "exporters.connect_url": pipeline.exporters.connect_url,
        "backup.s3_endpoint": pipeline.backup.s3_endpoint or "",
        **{f"service {service.name}": service.endpoint or "" for service in pipeline.services},
    }


def _services(pipeline: Pipeline) -> dict[str, HttpService]:
    named = {
        "connect": pipeline.connect,
        "registry": pipeline.registry,
        "prometheus": pipeline.prometheus,
        "alertmanager": pipeline.alertmanager,
        "pushgateway": pipeline.pushgateway,
    }
    return {key: service for key, service in named.items() if service}


def brokers(pipeline: Pipeline) -> Iterator[Endpoint]:
    """The brokers that the file names."""
    for address in pipeline.kafka.bootstrap_servers.split(",") if pipeline.kafka.uses_tls else ():
        host, _, port = address.strip().rpartition(":")
        if host and port.isdigit():
            yield Endpoint("kafka", host.strip("[]"), int(port))


def files(pipeline: Pipeline) -> dict[str, Path]:
    """By the keys that name them."""
    found = {
        "source.ca_file": pipeline.source.ca_file,
        "target.ca_file": pipeline.target.ca_file,
        **{f"{key}.ca_file": service.ca_file for key, service in _services(pipeline).items()},
        "kafka.ca_file": pipeline.kafka.ca_file,
        "kafka.certificate_file": pipeline.kafka.certificate_file,
        **{f"service {service.name}, ca_file": service.ca_file for service in pipeline.services},
    }
    return {key: path for key, path in found.items() if path}
