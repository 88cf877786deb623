"""Who gives commands: by what name, from where, and what they may do."""

from __future__ import annotations

import time
from dataclasses import dataclass

from smanager.access.roles import EVERYTHING, Permissions
from smanager.access.users import User


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who gives commands."""

    origin: str
    """Where from: an address, or `the console`."""
    user: str = ""
    """Who; empty where nobody has asked."""
    permissions: Permissions = EVERYTHING
    proof: str = ""
    """How that was found out: `password`, `token`, `certificate` or `peer`; empty where nobody is known by the name."""
    behalf: str = ""
    """For whom a trusted user says to act, such as the owner of an ssh key."""
    known_as: User | None = None
    """The user's record at the login."""

    def expires_in(self) -> float | None:
        """In how many seconds the token is not valid any more by which it came, if it came by one that ends."""
        token = self.known_as.token if self.known_as and self.proof == "token" else None
        return None if token is None or token.expires is None else max(0.0, token.expires - time.time())

    def __str__(self) -> str:
        user = f"{self.user} for {self.behalf}" if self.behalf else self.user
        return f"{user} from {self.origin}" if user else self.origin
