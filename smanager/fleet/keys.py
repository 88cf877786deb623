"""Keys by which members log in at a hub: nkeys (https://docs.nats.io), of which the hub has the public half."""

from __future__ import annotations

import os
from typing import NamedTuple

from smanager.fleet.hub import HubError


class KeyPair(NamedTuple):
    """A key of one member."""

    seed: str  # the secret
    public: str


def new_key() -> KeyPair:
    """Raises HubError."""
    try:
        import nkeys
    except ImportError:
        raise HubError("keys need the package nkeys: pip install 'smanager-shell[fleet]'") from None
    seed: bytes = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public: bytes = nkeys.from_seed(seed).public_key
    return KeyPair(seed.decode(), public.decode())
