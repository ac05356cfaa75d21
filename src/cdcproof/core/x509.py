"""When a certificate begins and ends, and whose it is: the little of X.509 that the standard library reads of none that it has not verified.

RFC 5280, 4.1: a certificate is DER, SEQUENCE { tbsCertificate { [0] version, serial, algorithm, issuer, validity { two times }, subject … } … }.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

_VERSION, _EXTENSIONS, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0xA3, 0x17, 0x18
_COMMON_NAME, _KEY_ID, _ISSUER_KEY_ID, _BMP_STRING = bytes((85, 4, 3)), bytes((85, 29, 14)), bytes((85, 29, 35)), 0x1E
_LONGEST_NAME = 64
_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class X509:
    """Unix seconds, and the names of subject and issuer as they are encoded."""

    begins: float
    ends: float
    subject: bytes
    issuer: bytes
    key: bytes
    """The subject's, with its algorithm."""
    key_id: bytes = b""
    issuer_key_id: bytes = b""
    """Of two issuers of one name it says which; both are empty where the certificate does not have them."""

    @property
    def name(self) -> str:
        """The subject's common name, else the last part of its name."""
        try:
            words = [_parts(one[1]) for part in _parts(self.subject) for one in _parts(part[1])]
            tag, text = next((value for kind, value in reversed(words) if kind[1] == _COMMON_NAME), words[-1][1])
        except (IndexError, ValueError):
            return "(no name)"
        decoded = text.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", errors="replace")[:_LONGEST_NAME]
        return "".join(one if one.isprintable() else "?" for one in decoded) or "(no name)"


def read(der: bytes) -> X509:
    """A certificate. Raises ValueError for what is none."""
    try:
        [certificate] = _parts(der)
        fields = _parts(_parts(certificate[1])[0][1])
        _, _, issuer, validity, subject, key = fields[fields[0][0] == _VERSION :][:6]
        begins, ends = map(_seconds, _parts(validity[1]))
        key_id, issuer_key_id = _key_ids(fields)
    except (IndexError, ValueError) as error:
        raise ValueError(f"no certificate: {error}") from None
    return X509(begins, ends, subject[1], issuer[1], key[1], key_id, issuer_key_id)


def read_pem(text: str) -> tuple[X509, ...]:
    """All certificates of a text. Raises ValueError where one of them is none."""
    return tuple(read(ssl.PEM_cert_to_DER_cert(one)) for one in _PEM.findall(text))


def _key_ids(fields: list[tuple[int, bytes]]) -> tuple[bytes, bytes]:
    """RFC 5280, 4.2.1.1 and 4.2.1.2: [3] { SEQUENCE OF { id, critical?, OCTET STRING of what it is } }."""
    found = {}
    for _, extensions in (one for one in fields if one[0] == _EXTENSIONS):
        for _, extension in _parts(_parts(extensions)[0][1]):
            words = _parts(extension)
            found[words[0][1]] = words[-1][1]
    own, issuers = found.get(_KEY_ID), found.get(_ISSUER_KEY_ID)
    named = _parts(_parts(issuers)[0][1]) if issuers else []
    return _parts(own)[0][1] if own else b"", next((value for tag, value in named if tag == 0x80), b"")


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
