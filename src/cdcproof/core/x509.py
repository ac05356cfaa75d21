"""When a certificate begins and ends, and whose it is: the little of X.509 that the standard library reads of none that it has not verified.

RFC 5280, 4.1: a certificate is DER, SEQUENCE { tbsCertificate { [0] version, serial, algorithm, issuer, validity { two times }, subject … } … }.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class X509:
    """Unix seconds, and the names of subject and issuer as they are encoded."""

    begins: float
    ends: float
    subject: bytes
    issuer: bytes


def read(der: bytes) -> X509:
    """A certificate. Raises ValueError for what is none."""
    try:
        [certificate] = _parts(der)
        fields = _parts(_parts(certificate[1])[0][1])
        _, _, issuer, validity, subject = fields[fields[0][0] == _VERSION :][:5]
        begins, ends = map(_seconds, _parts(validity[1]))
    except (IndexError, ValueError) as error:
        raise ValueError(f"no certificate: {error}") from None
    return X509(begins, ends, subject[1], issuer[1])


def read_pem(text: str) -> tuple[X509, ...]:
    """All certificates of a text. Raises ValueError where one of them is none."""
    return tuple(read(ssl.PEM_cert_to_DER_cert(one)) for one in _PEM.findall(text))


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents, one after the other."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size]), at + size
        if at + length > len(data):
            raise ValueError("it is cut off")
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _seconds(time: tuple[int, bytes]) -> float:
    tag, text = time[0], time[1].decode("ascii")
    if tag == _UTC_TIME:  # of 1950 to 2049
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    elif tag != _GENERALIZED_TIME:
        raise ValueError("it has no times")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
