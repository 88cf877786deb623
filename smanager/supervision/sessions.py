"""The sessions of the clients that are connected."""

from __future__ import annotations

from typing import Protocol

from smanager.access.callers import Caller
from smanager.access.origin import Origin


class Present(Protocol):
    """A session as other parts know it."""

    number: int
    peer: Origin
    """The client's address."""
    caller: Caller | None
    """None before a login."""
    since: float
    """By the monotonic clock."""

    @property
    def kind(self) -> str:
        """`person`, `script` or `program`."""

    @property
    def doing(self) -> str:
        """The command that runs, if one does."""

    def tell(self, text: str) -> None:
        """Show lines to a person; other clients see nothing."""

    def farewell(self, message: str) -> None:
        """End the session with a message."""


class Sessions:
    """All sessions by their numbers."""

    def __init__(self) -> None:
        self._present: dict[int, Present] = {}
        self._number = 0

    def add(self, session: Present) -> int:
        """Add a session; returns its number."""
        self._number += 1
        self._present[self._number] = session
        return self._number

    def remove(self, number: int) -> None:
        self._present.pop(number, None)

    def all(self) -> list[Present]:
        return list(self._present.values())

    def find(self, number: int) -> Present | None:
        return self._present.get(number)
