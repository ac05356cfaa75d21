"""TLS to PostgreSQL, in libpq's words: verified where the server offers it, by the authorities of the file that the pipeline names.

libpq's own default (``sslmode=prefer``) encrypts without looking at the certificate, and ``verify-full`` fails where the server has no TLS.
So it is tried with ``verify-full`` first, and without TLS only where the server says that it has none and nobody demands it.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path

from cdcproof.pipeline.engines import DatabaseAddress

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")
_ASK_SECONDS = 5.0


def options(database: DatabaseAddress, *, offered: bool = True) -> dict[str, str]:
    """The keywords of a connection string. `offered`: whether the server has TLS, as far as it was seen."""
    if database.encrypt is False or not (offered or is_demanded(database)):
        return {"sslmode": "disable"}
    if database.trust_server_certificate:
        return {"sslmode": "require" if database.encrypt else "prefer"}
    roots = authorities(database.ca_file, os.environ)
    return {"sslmode": "verify-full", **({"sslrootcert": roots} if roots else {})}


def is_demanded(database: DatabaseAddress) -> bool:
    """Whether a session without TLS is none."""
    return bool(database.encrypt or database.ca_file)


def has_none(text: str) -> bool:
    """Whether libpq's words say that the server has no TLS."""
    return "server does not support SSL" in text


def offers(host: str, port: int) -> bool:
    """Whether the server has TLS: it answers an SSLRequest with one byte. True also for one that does not answer at all."""
    try:
        with socket.create_connection((host, port), _ASK_SECONDS) as connection:
            connection.sendall(_SSL_REQUEST)
            return connection.recv(1) != b"N"
    except (OSError, OverflowError, UnicodeError):
        return True


def authorities(ca_file: Path | None, environment: Mapping[str, str]) -> str:
    """The file with the authorities; empty where libpq finds one by itself: PGSSLROOTCERT, or ~/.postgresql/root.crt."""
    if ca_file:
        return str(ca_file)
    if environment.get("PGSSLROOTCERT") or (Path.home() / ".postgresql" / "root.crt").exists():
        return ""
    known = ssl.get_default_verify_paths().cafile
    return next((path for path in (known, *_BUNDLES) if path and Path(path).exists()), "")


def problem(text: str, database: DatabaseAddress) -> tuple[str, str] | None:
    """What is wrong with the server's certificate, and what to do, by libpq's words; None for another failure."""
    accept = "or accept it unseen: trust_server_certificate = true (--trust-server-certificate on the command line)."
    if "does not match host name" in text:
        return (
            f"its certificate is not for the name {database.host}",
            f"Write as host a name that the certificate has, {accept}",
        )
    if found := re.search(
        r"certificate verify failed|root certificate file .* does not exist|could not read root.*", text
    ):
        return (
            f"its certificate cannot be verified: {found[0]}",
            f"Name the file with the certificate of the authority that signed it by ca_file in the pipeline file or by PGSSLROOTCERT, {accept}",
        )
    if has_none(text):
        return "it has no TLS", "Switch it on at the server, or leave encrypt and ca_file out of the pipeline file."
    if re.search(r"SSL error|requires a valid client certificate", text):
        return f"TLS was refused: {text}", "Where it asks for a client certificate, name it by PGSSLCERT and PGSSLKEY."
    return None
