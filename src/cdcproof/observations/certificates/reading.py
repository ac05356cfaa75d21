"""Looks at the certificates of a pipeline: at its servers as they show them, and in the files that the pipeline file names."""

from __future__ import annotations

import shlex
import ssl
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cdcproof.clients import certificates as client
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.login import Login
from cdcproof.core import bounded, x509
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.x509 import X509
from cdcproof.observations.certificates.certificates import Certificate, Certificates
from cdcproof.observations.certificates.chain import needed
from cdcproof.observations.certificates.endpoints import Endpoint, brokers, endpoints, files
from cdcproof.pipeline.model import Pipeline

_AT_ONCE = 8


def look(pipeline: Pipeline, now: float) -> Certificates:
    """Every endpoint and every file. What does not answer is said to be not known."""
    own, trusted = _own(pipeline), _trusted(pipeline)
    servers = list(dict.fromkeys((*endpoints(pipeline), *_brokers(pipeline))))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        shown = list(pool.map(lambda one: _shown(one, trusted(one.key), own if one.key == "kafka" else None), servers))
    issuers = frozenset(certificate.issuer for _, path in shown for certificate in path)
    named = [_in_file(key, path, issuers) for key, path in files(pipeline).items()]
    limits = pipeline.thresholds
    seen = (*(one for certificates, _ in shown for one in certificates), *named)
    return Certificates(seen, now, limits.certificate_fail_days, limits.certificate_warn_days)


def _shown(
    endpoint: Endpoint, trusted: Collection[X509], own: tuple[Path, Path, str] | None
) -> tuple[tuple[Certificate, ...], tuple[X509, ...]]:
    """The server's own certificate and those that it sends along, as far as a client needs them."""
    server = (endpoint.host, endpoint.port, endpoint.protocol)
    by_hand = client.by_hand(*server)
    try:
        sent = [x509.read(der) for der in client.shown(*server, own)]
    except CouldNotLookError as error:
        return (Certificate(endpoint.subject, unknown=error.message, look=by_hand),), ()
    except ValueError as error:
        return (Certificate(endpoint.subject, unknown=str(error), look=by_hand),), ()
    if not sent:
        return (Certificate(endpoint.subject),), ()
    path = needed(sent, trusted)
    along = tuple(
        Certificate(
            f"{endpoint.subject}, sent along: {one.name}", one.begins, one.ends, look=client.all_by_hand(*server)
        )
        for one in path[1:]
    )
    return (Certificate(endpoint.subject, path[0].begins, path[0].ends, look=by_hand), *along), path


def _trusted(pipeline: Pipeline) -> Callable[[str], tuple[X509, ...]]:
    """By the key of a server: the authorities of its file, else those that this machine trusts."""
    named = files(pipeline)
    store = tuple(x509.read(der) for der in ssl.create_default_context().get_ca_certs(binary_form=True))

    def of(key: str) -> tuple[X509, ...]:
        path = named.get(f"{key}, ca_file" if key.startswith("service ") else f"{key}.ca_file")
        try:
            return store if path is None else x509.read_pem(bounded.read_text(path, encoding="ascii", errors="replace"))
        except (OSError, ValueError):
            return ()  # the file is looked at by itself, which says so

    return of


def _in_file(key: str, path: Path, issuers: frozenset[bytes]) -> Certificate:
    """Of several authorities in a file those count that signed what the servers show; where none did, the one that lasts longest."""
    subject, by_hand = f"{key} {path}", f"openssl x509 -noout -subject -issuer -dates -in {shlex.quote(str(path))}"
    try:
        held = x509.read_pem(bounded.read_text(path, encoding="ascii", errors="replace"))
    except OSError as error:
        return Certificate(subject, unknown=f"the file cannot be read: {error.strerror}", look=by_hand)
    except ValueError as error:
        return Certificate(subject, unknown=str(error), look=by_hand)
    if not held:
        return Certificate(subject, unknown="the file holds no certificate in PEM", look=by_hand)
    if key == "kafka.certificate_file":
        one = min(held, key=lambda certificate: certificate.ends)
    elif counting := [certificate for certificate in held if certificate.subject in issuers]:
        one = max(counting, key=lambda certificate: certificate.ends)  # of a name twice, the newer one is enough
    else:
        one = max(held, key=lambda certificate: certificate.ends)
    return Certificate(subject, one.begins, one.ends, look=by_hand)


def _brokers(pipeline: Pipeline) -> Iterator[Endpoint]:
    """Those that the file names, and those that the cluster has."""
    named = tuple(brokers(pipeline))
    yield from named
    try:
        others = Kafka(pipeline.kafka).addresses() if pipeline.kafka.uses_tls else {}
    except CouldNotLookError:
        if not named:  # they would say why
            raise
        return
    yield from (Endpoint("kafka", *other) for other in others.values())


def _own(pipeline: Pipeline) -> tuple[Path, Path, str] | None:
    kafka = pipeline.kafka
    if not (kafka.certificate_file and kafka.key_file):
        return None
    password = Login.of(kafka).key_password
    return kafka.certificate_file, kafka.key_file, password.reveal() if password else ""
