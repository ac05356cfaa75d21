"""Certificates are verified, the host's name included, by the authority of a file or by those that this machine knows; what is wrong is a sentence."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError

_MOST_BYTES = 16 * 2**20
"""Of a file of certificates: those of every public authority have 250 KiB."""
_HOSTNAME_MISMATCH = 62
_ADDRESS_MISMATCH = 64
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h."""


def demand_readable(path: Path, key: str) -> None:
    """Raise `ConfigError` naming the key of a file that cannot be read."""
    try:
        bounded.demand(path, _MOST_BYTES)
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(
            f"{key}: the file cannot be read: {error.strerror}.", "Correct the path.", path=path
        ) from None


def context(ca_file: Path | None, key: str) -> ssl.SSLContext:
    """Of a client. Raises `ConfigError` naming the key of a file that cannot be used."""
    if ca_file:
        demand_readable(ca_file, key)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"{key}: the file holds no certificate in PEM: {reason_of(error)}.", "Correct the file.", path=ca_file
        ) from None


def not_verified(error: ssl.SSLCertVerificationError, host: str, ca_key: str, host_key: str) -> tuple[str, str]:
    """What is wrong with a server's certificate, and what to do; the keys are those of the pipeline file."""
    if error.verify_code in (_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH):
        return another_name(host, host_key)
    return (
        f"its certificate cannot be verified: {error.verify_message}",
        f"{ca_key} must name the file with the certificate of the authority that signed it.",
    )


def another_name(host: str, host_key: str) -> tuple[str, str]:
    """The same where the certificate is another host's."""
    return (
        f"its certificate is not for the name {host}",
        f"Write in {host_key} a name that the certificate has, or have the name put into the certificate.",
    )


def cause(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The verification that failed, in whatever a client's library has wrapped it."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ssl.SSLCertVerificationError):
            return one
        if one in seen:
            continue
        seen.append(one)
        nested = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [inner for inner in nested if isinstance(inner, BaseException)]
    return None


def reason_of(error: Exception) -> str:
    """OpenSSL's words, without where in its source they were said."""
    words = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return re.sub(r"^(SSLV3|TLSV1\d?)_ALERT_", "", str(words)).replace("_", " ").lower()
