"""How we log in to Kafka, by `[kafka]` of the pipeline file: TLS and SASL, for librdkafka and on a connection of our own.

librdkafka has one sentence for an unknown authority and for a wrong host name, and none for a certificate that a broker refuses. So each
client's first question is preceded by `connected`, which names the key. Certificates are always verified, the host's name included.

SASL: the Kafka protocol guide (SaslHandshake 17, SaslAuthenticate 36), RFC 4616 (PLAIN); `scram` has the rest.
"""

from __future__ import annotations

import hmac
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from cdcproof.clients.scram import Scram
from cdcproof.core import tls
from cdcproof.core.errors import ConfigError, RefusedError, UnexpectedAnswerError
from cdcproof.core.secrets import Secret, from_environment, scrub
from cdcproof.core.waiting import Deadline
from cdcproof.pipeline.model import Kafka

_HANDSHAKE, _AUTHENTICATE, _API_VERSIONS = 17, 36, 18
_CLIENT = b"cdcproof"
_MOST_BYTES = 1 << 20
_CHECK_PROTOCOL = "Check that kafka.security_protocol is that of the listener at this address."


@dataclass(frozen=True)
class Login:
    """What `[kafka]` says, with the secrets from the environment. Raises `UsageError` for a variable or a file that is missing."""

    kafka: Kafka
    password: Secret | None
    key_password: Secret | None

    @classmethod
    def of(cls, kafka: Kafka) -> Login:
        """Read the secrets, and see that the files are there."""
        for key in ("ca_file", "certificate_file", "key_file"):
            path: Path | None = getattr(kafka, key)
            if path:
                tls.demand_readable(path, f"kafka.{key}")
        password = from_environment(kafka.password_env, "Kafka (kafka.password_env)") if kafka.password_env else None
        key_password = (
            from_environment(kafka.key_password_env, "kafka.key_file (kafka.key_password_env)")
            if kafka.key_password_env
            else None
        )
        return cls(kafka, password, key_password)

    @property
    def is_plain(self) -> bool:
        """Neither TLS nor a login."""
        return self.kafka.security_protocol == "PLAINTEXT"

    def settings(self) -> dict[str, Any]:
        """The same for librdkafka."""
        kafka, found = self.kafka, {"security.protocol": self.kafka.security_protocol.lower()}
        if kafka.uses_tls:
            known = ssl.get_default_verify_paths()
            found["ssl.ca.location"] = str(kafka.ca_file or known.cafile or known.capath or "probe")
            found["enable.ssl.certificate.verification"] = "true"
            found["ssl.endpoint.identification.algorithm"] = "https"
        if kafka.certificate_file and kafka.key_file:
            found["ssl.certificate.location"] = str(kafka.certificate_file)
            found["ssl.key.location"] = str(kafka.key_file)
        if self.key_password:
            found["ssl.key.password"] = self.key_password.reveal()
        if kafka.sasl_mechanism and kafka.user and self.password:
            found["sasl.mechanism"] = kafka.sasl_mechanism
            found["sasl.username"] = kafka.user
            found["sasl.password"] = self.password.reveal()
        return found

    @contextmanager
    def connected(self, host: str, port: int, deadline: Deadline) -> Iterator[socket.socket]:
        """A connection to one broker, encrypted and logged in as `[kafka]` says.

        Raises `RefusedError` naming the key that is wrong, and `OSError` where the broker does not answer.
        """
        place = f"Kafka at {host}:{port}"
        with socket.create_connection((host, port), max(0.1, deadline.remaining_seconds)) as plain:
            connection = self._encrypted(plain, host, place) if self.kafka.uses_tls else plain
            with connection:
                try:
                    if self.kafka.uses_tls:
                        self._certificate_is_taken(connection, place, deadline)
                    if self.kafka.sasl_mechanism:
                        self._log_in(connection, place, deadline)
                except struct.error:
                    raise UnexpectedAnswerError(f"{place} does not answer as a broker does.", _CHECK_PROTOCOL) from None
                yield connection

    def _encrypted(self, plain: socket.socket, host: str, place: str) -> socket.socket:
        context = tls.context(self.kafka.ca_file, "kafka.ca_file")
        if self.kafka.certificate_file and self.kafka.key_file:
            # an empty password, else OpenSSL asks for it on the terminal
            password = self.key_password.reveal() if self.key_password else ""
            try:
                context.load_cert_chain(self.kafka.certificate_file, self.kafka.key_file, password)
            except (ssl.SSLError, ValueError, OSError) as error:
                raise ConfigError(
                    f"The client certificate cannot be used: {tls.reason_of(error)}.",
                    "kafka.certificate_file and kafka.key_file must hold a certificate and its key in PEM; "
                    "kafka.key_password_env names the variable with the key's password, where it has one.",
                    path=self.kafka.key_file,
                ) from None
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            wrong, remedy = tls.not_verified(error, host, "kafka.ca_file", "kafka.bootstrap_servers")
            raise RefusedError(f"{place}: {wrong}.", remedy) from None
        except ssl.SSLError as error:
            raise RefusedError(f"{place} refuses TLS: {tls.reason_of(error)}.", _CHECK_PROTOCOL) from None
        except (ConnectionError, EOFError):
            raise RefusedError(f"{place} ends the connection when TLS begins.", _CHECK_PROTOCOL) from None

    def _certificate_is_taken(self, connection: socket.socket, place: str, deadline: Deadline) -> None:
        """Ask for the broker's versions: by TLS 1.3 it is now that it refuses a client's certificate."""
        try:
            _exchange(connection, _API_VERSIONS, b"", deadline)
        except ssl.SSLError as error:
            sent = "the certificate of kafka.certificate_file" if self.kafka.certificate_file else "no certificate"
            raise RefusedError(
                f"{place} refuses this client: {tls.reason_of(error)}. It was sent {sent}.",
                "kafka.certificate_file and kafka.key_file must hold a certificate that the brokers trust.",
            ) from None
        except _HungUpError:
            raise RefusedError(f"{place} ends the connection after TLS was agreed on.", _CHECK_PROTOCOL) from None

    def _log_in(self, connection: socket.socket, place: str, deadline: Deadline) -> None:
        mechanism, user, password = self.kafka.sasl_mechanism or "", self.kafka.user or "", self.password or Secret("")
        try:
            answer = _exchange(connection, _HANDSHAKE, _text(mechanism.encode()), deadline)
            fault, offered = answer.number("h"), answer.texts()
            if fault:
                takes = f"; it takes {', '.join(offered)}" if offered else ""
                raise RefusedError(
                    f"{place} takes no login by {mechanism}{takes} (error {fault}).",
                    f"Correct kafka.sasl_mechanism. {_CHECK_PROTOCOL}",
                )
            if mechanism == "PLAIN":
                self._token(connection, f"\0{user}\0{password.reveal()}".encode(), place, deadline)
            else:
                self._scram(connection, Scram(mechanism, user, password, token_urlsafe(18)), place, deadline)
        except _HungUpError:
            raise RefusedError(f"{place} ends the connection at the login.", _CHECK_PROTOCOL) from None

    def _scram(self, connection: socket.socket, login: Scram, place: str, deadline: Deadline) -> None:
        answered = self._token(connection, login.first(), place, deadline)
        try:
            message, proof = login.last(answered)
        except ValueError:
            raise UnexpectedAnswerError(f"{place} does not answer the login as SCRAM says.", _CHECK_PROTOCOL) from None
        ended = self._token(connection, message, place, deadline)
        if not hmac.compare_digest(ended.split(b",")[0], proof):
            raise RefusedError(
                f"{place} does not prove that it knows the password of {login.user}.",
                "What answers there may not be the broker: check kafka.bootstrap_servers.",
            )

    def _token(self, connection: socket.socket, token: bytes, place: str, deadline: Deadline) -> bytes:
        answer = _exchange(connection, _AUTHENTICATE, struct.pack(">i", len(token)) + token, deadline)
        fault, message = answer.number("h"), answer.text()
        if fault:
            raise RefusedError(
                f"{place} refuses the login of {self.kafka.user}: {scrub(message) or f'error {fault}'}.",
                f"Check kafka.user, kafka.sasl_mechanism, and the password in {self.kafka.password_env} (kafka.password_env).",
            )
        return answer.data()


class _HungUpError(Exception):
    """The broker closed the connection."""


class Answer:
    """An answer's fields, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, form: str) -> int:
        """The next number: ``h``, ``i`` or ``q``, and ``b`` for a truth value."""
        (found,) = struct.unpack_from(f">{form}", self._data, self._at)
        self._at += struct.calcsize(f">{form}")
        return int(found)

    def text(self) -> str:
        """The next string; a null one is empty."""
        return self._bytes(max(0, self.number("h"))).decode(errors="replace")

    def texts(self) -> list[str]:
        """The next array of strings."""
        return [self.text() for _ in range(min(100, self.number("i")))]

    def array(self) -> range:
        """As many times as the next array has members."""
        return range(self.number("i"))

    def data(self) -> bytes:
        """The next bytes."""
        return self._bytes(max(0, self.number("i")))

    def _bytes(self, length: int) -> bytes:
        if self._at + length > len(self._data):
            raise struct.error("bytes that do not end")
        self._at += length
        return self._data[self._at - length : self._at]


def _exchange(connection: socket.socket, key: int, body: bytes, deadline: Deadline) -> Answer:
    """Send a request and read its answer, which begins with its number."""
    version = 0 if key == _API_VERSIONS else 1
    header = struct.pack(">hhih", key, version, key, len(_CLIENT)) + _CLIENT
    connection.sendall(struct.pack(">i", len(header + body)) + header + body)
    size = struct.unpack(">i", _received(connection, 4, deadline))[0]
    if not 4 <= size <= _MOST_BYTES:
        raise _HungUpError
    answer = Answer(_received(connection, size, deadline))
    if answer.number("i") != key:
        raise _HungUpError
    return answer


def _received(connection: socket.socket, size: int, deadline: Deadline) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        connection.settimeout(max(0.01, deadline.remaining_seconds))
        try:
            part = connection.recv(size - len(parts))
        except (ConnectionError, ssl.SSLEOFError):
            raise _HungUpError from None
        if not part:
            raise _HungUpError
        parts += part
    return bytes(parts)


def _text(value: bytes) -> bytes:
    return struct.pack(">h", len(value)) + value
