"""Times and names of a certificate, against what `cryptography` reads of the same one."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509 as reference

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
