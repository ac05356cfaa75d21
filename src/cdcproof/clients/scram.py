"""A login by SCRAM (RFC 5802, RFC 7677): what the client sends, and what the server must prove. Kafka takes it without channel binding."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from cdcproof.core.secrets import Secret

_MOST_ITERATIONS = 1_000_000
"""A server that asks for more would keep us computing for minutes."""
_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


@dataclass(frozen=True)
class Scram:
    """One login. `nonce` is drawn anew for each."""

    mechanism: str
    user: str
    password: Secret
    nonce: str

    def first(self) -> bytes:
        """The first message."""
        return f"n,,{self._bare()}".encode()

    def last(self, answered: bytes) -> tuple[bytes, bytes]:
        """The second message, and what the server must answer to it. Raises `ValueError` for an answer that is not SCRAM's."""
        text = answered.decode()
        said = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
        nonce, salt = said.get("r", ""), base64.b64decode(said.get("s", ""), validate=True)
        iterations = int(said.get("i", "0"))
        if not nonce.startswith(self.nonce) or not 0 < iterations <= _MOST_ITERATIONS:
            raise ValueError("not an answer to this login")
        salted = hashlib.pbkdf2_hmac(self._hash, self.password.reveal().encode(), salt, iterations)
        key = self._hmac(salted, b"Client Key")
        message = f"c=biws,r={nonce}"
        signed = ",".join((self._bare(), text, message)).encode()
        signature = self._hmac(hashlib.new(self._hash, key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        proven = self._hmac(self._hmac(salted, b"Server Key"), signed)
        return f"{message},p={base64.b64encode(proof).decode()}".encode(), b"v=" + base64.b64encode(proven)

    def _bare(self) -> str:
        return f"n={self.user.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}"

    @property
    def _hash(self) -> str:
        return _HASHES[self.mechanism]

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, self._hash).digest()
