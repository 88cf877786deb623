"""Who gives commands: by what name, from where, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

from smanager.access.roles import EVERYTHING, Permissions


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who gives commands."""

    origin: str
    """Where from: an address, or `the console`."""
    user: str = ""
    """Who; empty where nobody has asked."""
    permissions: Permissions = EVERYTHING
    proof: str = ""
    """How it was found out: `password`, `token NAME`, `certificate`, `peer`."""

    def __str__(self) -> str:
        return f"{self.user} from {self.origin}" if self.user else self.origin
