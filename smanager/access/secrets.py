"""Passwords and tokens: what is kept of them, and whether one that is given is the right one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from smanager.terminal.text import as_bytes

TOKEN_PREFIX = "smt_"
"""By which a token that has got into a log or a repository is found."""

TOKEN_BYTES = 32
"""Nobody guesses that; so its hash need not be a slow one."""

SECRET_LIMIT = 1024
"""Bytes of a password or a token that are looked at: more than any has."""

# A guess at a password costs 32 MiB and some 60 ms (OWASP's recommendation is 2^17 for servers that do nothing else;
# a Raspberry Pi with people at its prompt can do this).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
_MOST_MEMORY = 256 * 1024 * 1024


def hash_password(password: str) -> str:
    """What is kept of a password: the parameters, the salt and the hash, as `scrypt$N$R$P$SALT$HASH`."""
    salt = secrets.token_bytes(16)
    return "$".join(
        ["scrypt", str(SCRYPT_N), str(SCRYPT_R), str(SCRYPT_P), _text(salt), _text(_scrypt(password, salt))]
    )


def is_password(password: str, kept: str) -> bool:
    """Whether a password is the one of which `kept` is the hash; takes the same time where `kept` is no hash at all."""
    try:
        kind, n, r, p, salt, expected = kept.split("$")
        found = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return kind == "scrypt" and hmac.compare_digest(found, base64.b64decode(expected))
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
