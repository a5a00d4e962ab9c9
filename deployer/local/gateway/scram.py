"""Passwords: SCRAM-SHA-256 towards PostgreSQL, and checking a client's password against what PostgreSQL stores.

Source: RFC 5802 and RFC 7677; the stored form is that of PostgreSQL's pg_authid.rolpassword.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata

_STORED = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


class AuthenticationFailed(Exception):
    """The server does not know the password, or does not prove that it does."""


def prepared(password: str) -> str:
    """The password in SASLprep's normal form, or untouched where that forbids one of its characters (as PostgreSQL)."""
    mapped = "".join(
        " " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    forbidden = (
        stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4, stringprep.in_table_c5,
        stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9,
        stringprep.in_table_a1,
    )  # fmt: skip
    return password if not normal or any(test(c) for c in normal for test in forbidden) else normal


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _salted(password: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, rounds)


def matches(password: str, stored: str | None, user: str = "") -> bool:
    """Whether `password` is the one behind `stored`: pg_authid.rolpassword in SCRAM's form, or a digest as CREATE USER
    takes it, md5 over password and user name, or `sha256|digest|salt` (r_CREATE_USER). False for none and any other.
    """
    stored = stored or ""
    if stored.startswith("md5"):
        digest = hashlib.md5(f"{password}{user}".encode(), usedforsecurity=False).hexdigest()
        return hmac.compare_digest(digest, stored[3:].lower())
    if stored.startswith("sha256|"):
        _, expected, hexadecimal = stored.split("|")
        digest = hashlib.sha256(password.encode() + bytes.fromhex(hexadecimal)).hexdigest()
        return hmac.compare_digest(digest, expected.lower())
    parts = _STORED.fullmatch(stored)
    if parts is None:
        return False
    rounds, salt, key = int(parts[1]), base64.b64decode(parts[2]), base64.b64decode(parts[3])
    client = _mac(_salted(password, salt, rounds), b"Client Key")
    return hmac.compare_digest(hashlib.sha256(client).digest(), key)


class Exchange:
    """The client's side of one SCRAM exchange: send `first`, answer with `answer`, then `check` the server's end."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._nonce = secrets.token_urlsafe(18)
        self._bare = f"n=,r={self._nonce}"
        self.first = f"n,,{self._bare}".encode()
        self._signature = b""

    def answer(self, challenge: bytes) -> bytes:
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        if not fields["r"].startswith(self._nonce):
            raise AuthenticationFailed("PostgreSQL answered with another nonce")
        salted = _salted(self._password, base64.b64decode(fields["s"]), int(fields["i"]))
        client = _mac(salted, b"Client Key")
        ending = f"c=biws,r={fields['r']}"
        said = f"{self._bare},{challenge.decode()},{ending}".encode()
        proof = bytes(a ^ b for a, b in zip(client, _mac(hashlib.sha256(client).digest(), said), strict=True))
        self._signature = _mac(_mac(salted, b"Server Key"), said)
        return f"{ending},p={base64.b64encode(proof).decode()}".encode()

    def check(self, final: bytes) -> None:
        if not hmac.compare_digest(final, b"v=" + base64.b64encode(self._signature)):
            raise AuthenticationFailed("PostgreSQL does not know the password that it asked for")
