"""Times and names of a certificate, against what `cryptography` reads of the same one."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509 as reference
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cdcproof.core.x509 import read, read_pem
from tests.certificates import Authority


@pytest.mark.parametrize("valid", [timedelta(days=-1), timedelta(days=2), timedelta(days=365 * 60)])
def test_times_and_names(tmp_path: Path, valid: timedelta) -> None:
    """In sixty years the year has four digits."""
    authority = Authority(tmp_path, "private", valid)
    pem = authority.issue("db", "db.example", valid=valid).certificate.read_text()
    expected = reference.load_pem_x509_certificate(pem.encode())

    found = read(ssl.PEM_cert_to_DER_cert(pem))

    assert found.ends == expected.not_valid_after_utc.timestamp()
    assert found.begins == expected.not_valid_before_utc.timestamp()
    [own] = read_pem(authority.file.read_text())
    assert found.issuer == own.subject == own.issuer != found.subject


def test_whose_key_it_is_and_who_signed_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "private")
    pem = authority.issue("db", "db.example").certificate.read_text()
    expected = reference.load_pem_x509_certificate(pem.encode())

    [found], [own] = read_pem(pem), read_pem(authority.file.read_text())

    key_id = expected.extensions.get_extension_for_class(reference.SubjectKeyIdentifier).value.digest
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    assert x509_parts(expected.public_key().public_bytes(encoding, form)) == found.key
    assert found.key_id == key_id
    assert found.issuer_key_id == own.key_id != found.key_id


def x509_parts(der: bytes) -> bytes:
    """What is in a SEQUENCE of less than 128 bytes."""
    assert der[0] == 0x30
    assert der[1] == len(der) - 2
    return der[2:]


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ([(NameOID.ORGANIZATION_NAME, "Ours"), (NameOID.COMMON_NAME, "Issuing CA 2")], "Issuing CA 2"),
        ([(NameOID.COMMON_NAME, "Züri CA"), (NameOID.COUNTRY_NAME, "CH")], "Züri CA"),
        ([(NameOID.COUNTRY_NAME, "CH"), (NameOID.ORGANIZATION_NAME, "Ours")], "Ours"),
        ([(NameOID.COMMON_NAME, "a\x1b[31mred\nline")], "a?[31mred?line"),
        ([], "(no name)"),
    ],
)
def test_a_certificate_is_called_by_its_common_name(attributes: list[tuple[object, str]], name: str) -> None:
    subject = reference.Name([reference.NameAttribute(*one) for one in attributes])
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        reference.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )

    assert read(made.public_bytes(serialization.Encoding.DER)).name == name


def test_all_certificates_of_a_file_count(tmp_path: Path) -> None:
    files = [Authority(tmp_path, name).file.read_text() for name in ("one", "two")]

    assert len(read_pem("# ours\n".join(files))) == 2
    assert read_pem("nothing") == ()


@pytest.mark.parametrize("cut", [0, 1, 5, 40, 200])
def test_what_is_cut_off_is_no_certificate(tmp_path: Path, cut: int) -> None:
    der = ssl.PEM_cert_to_DER_cert(Authority(tmp_path, "one").file.read_text())
    with pytest.raises(ValueError, match="no certificate"):
        read(der[:cut])


def test_other_bytes_are_none() -> None:
    for data in (b"\x30\x03\x02\x01\x05", b"\x30\x80", b"text", bytes(64)):
        with pytest.raises(ValueError, match="no certificate"):
            read(data)
    with pytest.raises(ValueError, match="no certificate"):
        read_pem("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----")
