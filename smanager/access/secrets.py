"""Passwords and tokens: how they are stored, and how they are checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from smanager.terminal.text import as_bytes

TOKEN_PREFIX = "smt_"  # lets scanners find a token that has leaked into a log or a repository
TOKEN_BYTES = 32  # random bytes of a token; too many to guess, so a fast hash is enough
SECRET_LIMIT = 1024  # bytes of a password or a token that count: more than real ones have

# A guess costs 32 MiB and some 60 ms. OWASP recommends N = 2^17 for dedicated servers; 2^15 is what a Raspberry Pi can
# do with people at its prompt.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
_MOST_MEMORY = 256 * 1024 * 1024


def hash_password(password: str) -> str:
    """A password as stored: its parameters, salt and hash, as `scrypt$N$R$P$SALT$HASH`."""
    salt = secrets.token_bytes(16)
    costs = map(str, (SCRYPT_N, SCRYPT_R, SCRYPT_P))
    return "$".join(["scrypt", *costs, _text(salt), _text(_scrypt(password, salt))])


def is_password(password: str, kept: str) -> bool:
    """Whether the password has the hash `kept`; takes as long if `kept` is not a hash."""
    try:
        kind, n, r, p, salt, expected = kept.split("$")
        computed = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return kind == "scrypt" and hmac.compare_digest(computed, base64.b64decode(expected))
    except (ValueError, binascii.Error):
        _scrypt(password, b"nobody")
        return False


def _scrypt(password: str, salt: bytes, n: int = SCRYPT_N, r: int = SCRYPT_R, p: int = SCRYPT_P) -> bytes:
    return hashlib.scrypt(as_bytes(password)[:SECRET_LIMIT], salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=32)


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> str:
    return hashlib.sha256(as_bytes(token)[:SECRET_LIMIT]).hexdigest()


def is_token(token: str, kept: str) -> bool:
    return hmac.compare_digest(hash_token(token), kept)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
