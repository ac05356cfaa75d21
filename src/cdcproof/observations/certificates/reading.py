"""Looks at the certificates of a pipeline: at its servers as they show them, and in the files that the pipeline file names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cdcproof.clients import certificates as client
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.login import Login
from cdcproof.core import x509
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.x509 import X509
from cdcproof.observations.certificates.certificates import Certificate, Certificates
from cdcproof.observations.certificates.endpoints import Endpoint, brokers, endpoints, files
from cdcproof.pipeline.model import Pipeline

_AT_ONCE = 8


def look(pipeline: Pipeline, now: float) -> Certificates:
    """Every endpoint and every file. What does not answer is said to be not known."""
    own = _own(pipeline)
    servers = list(dict.fromkeys((*endpoints(pipeline), *_brokers(pipeline))))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        shown = list(pool.map(lambda one: _shown(one, own if one.key == "kafka" else None), servers))
    issuers = frozenset(certificate.issuer for _, certificate in shown if certificate)
    named = [_in_file(key, path, issuers) for key, path in files(pipeline).items()]
    limits = pipeline.thresholds
    seen = (*(one for one, _ in shown), *named)
    return Certificates(seen, now, limits.certificate_fail_days, limits.certificate_warn_days)


def _shown(endpoint: Endpoint, own: tuple[Path, Path, str] | None) -> tuple[Certificate, X509 | None]:
    by_hand = client.by_hand(endpoint.host, endpoint.port, endpoint.protocol)
    try:
        der = client.shown(endpoint.host, endpoint.port, endpoint.protocol, own)
        found = x509.read(der) if der else None
    except CouldNotLookError as error:
        return Certificate(endpoint.subject, unknown=error.message, look=by_hand), None
    except ValueError as error:
        return Certificate(endpoint.subject, unknown=str(error), look=by_hand), None
    if found is None:
        return Certificate(endpoint.subject), None
    return Certificate(endpoint.subject, found.begins, found.ends, look=by_hand), found


def _in_file(key: str, path: Path, issuers: frozenset[bytes]) -> Certificate:
    """Of several authorities in a file those count that signed what the servers show; where none did, the one that lasts longest."""
    subject, by_hand = f"{key} {path}", f"openssl x509 -noout -subject -issuer -dates -in {shlex.quote(str(path))}"
    try:
        held = x509.read_pem(path.read_text(encoding="ascii", errors="replace"))
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
