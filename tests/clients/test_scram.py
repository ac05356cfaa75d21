"""SCRAM by the exchange that RFC 7677 prints; tests/integration/test_kafka_security.py logs in to a broker."""

from __future__ import annotations

import pytest

from cdcproof.clients.scram import Scram
from cdcproof.core.secrets import Secret

LOGIN = Scram("SCRAM-SHA-256", "user", Secret("pencil"), "rOprNGfwEbeRWgbNEkqO")
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


def test_the_exchange_of_the_rfc() -> None:
    assert LOGIN.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    message, proven = LOGIN.last(f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode())
    assert message == f"c=biws,r={NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
    assert proven == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_what_would_end_a_name_is_written_as_the_rfc_says() -> None:
    assert Scram("SCRAM-SHA-512", "a=b,c", Secret("pencil"), "x").first() == b"n,,n=a=3Db=2Cc,r=x"


@pytest.mark.parametrize(
    "answered",
    [
        b"r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000".encode(),
        f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==".encode(),
        f"r={NONCE},s=!,i=4096".encode(),
        b"\xff\xfe",
        b"",
    ],
)
def test_an_answer_to_another_login_is_refused(answered: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  of several kinds
        LOGIN.last(answered)
