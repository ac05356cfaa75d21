"""A certificate authority of the tests' own: what it issues no other program trusts, unless it is given the authority's file."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=2)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, each in a PEM file, and both in one."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Issues certificates into a folder; `file` is its own certificate."""

    def __init__(self, folder: Path, name: str, valid: timedelta = _VALID, *, of: Authority | None = None) -> None:
        """`of`: the authority above it; none: it has signed its own certificate."""
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        self.renew(valid, of=of)

    def renew(self, valid: timedelta, *, of: Authority | None = None) -> None:
        """A new certificate of the same key, in `file`."""
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            **dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False),
            encipher_only=False,
            decipher_only=False,
        )
        above = of or self
        made = (
            above._builder(self._name, self._key.public_key(), valid)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0 if of else 1), critical=True)
            .add_extension(usage, critical=True)
            .sign(above._key, hashes.SHA256())
        )
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *hosts: str, key_password: str = "", valid: timedelta = _VALID) -> Certificate:
        """A certificate for these host names and addresses; without any it is good for a client. A `valid` below zero is over."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key(), valid)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        signed = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(key_password.encode())
            if key_password
            else serialization.NoEncryption(),
        )
        made = Certificate(*(self._folder / f"{name}.{kind}.pem" for kind in ("certificate", "key", "both")))
        made.certificate.write_bytes(signed)
        made.both.write_bytes(private + signed)
        made.key.write_bytes(private)
        made.key.chmod(0o600)
        return made

    def sign(self, request: bytes) -> bytes:
        """What is asked for by a request in PEM."""
        asked = x509.load_pem_x509_csr(request)
        key = asked.public_key()
        assert asked.is_signature_valid
        assert isinstance(key, ec.EllipticCurvePublicKey)
        made = self._builder(asked.subject, key, timedelta(days=400)).sign(self._key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, now + valid) - timedelta(hours=1))
            .not_valid_after(now + valid)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
