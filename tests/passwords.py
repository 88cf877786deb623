"""Passwords of the tests' users: what is kept of one takes a real user's manager a while to compute."""

from __future__ import annotations

import base64
import hashlib


def quick_hash(password: str) -> str:
    """What is kept of a password, by parameters that make a guess cost nothing."""
    found = hashlib.scrypt(password.encode(), salt=b"salt", n=2, r=8, p=1, dklen=32)
    return f"scrypt$2$8$1${base64.b64encode(b'salt').decode()}${base64.b64encode(found).decode()}"
