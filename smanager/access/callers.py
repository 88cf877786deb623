"""Who gives commands: the name, the origin, and the permissions."""

from __future__ import annotations

import time
from typing import NamedTuple

from smanager.access.origin import Origin
from smanager.access.roles import EVERYTHING, Permissions
from smanager.access.users import User


class Caller(NamedTuple):
    """The source of a command."""

    origin: Origin
    user: str = ""  # the name; empty without a login
    permissions: Permissions = EVERYTHING
    proof: str = ""  # how the user was identified: `password`, `token`, `certificate` or `peer`; empty without a user
    behalf: str = ""  # for whom the account of a relay claims to act, such as the owner of an ssh key
    depth: int = 0  # how many services have called one another to give this command
    known_as: User | None = None  # the user's record at the login

    def expires_in(self) -> float | None:
        """Seconds until the caller's token expires; None if the caller has no token, or one without an end."""
        token = self.known_as.token if self.known_as and self.proof == "token" else None
        return None if token is None or token.expires is None else max(0.0, token.expires - time.time())

    @property
    def party(self) -> str:
        """Whose share counts where callers share something: the user's, or without a user the network's."""
        return f"{self.user} for {self.behalf}" if self.behalf else self.user or self.origin.network

    def __str__(self) -> str:
        user = f"{self.user} (claims to act for {self.behalf})" if self.behalf else self.user
        return f"{user} from {self.origin}" if user else str(self.origin)
