"""Who is connected."""

from __future__ import annotations

from typing import Protocol

from smanager.access.callers import Caller
from smanager.access.origin import Origin


class Present(Protocol):
    """A session, as others may know it."""

    number: int
    peer: Origin
    """Where it comes from."""
    caller: Caller | None
    """None before a login."""
    since: float
    """Of the monotonic clock."""

    @property
    def kind(self) -> str:
        """What it is: a terminal, a script, a program."""

    @property
    def doing(self) -> str:
        """The command that it runs, if it runs one."""

    def tell(self, text: str) -> None:
        """Show it some lines, if a person looks."""

    def farewell(self, message: str) -> None:
        """End it with a last word."""


class Sessions:
    """All of them, by their numbers."""

    def __init__(self) -> None:
        self._present: dict[int, Present] = {}
        self._number = 0

    def add(self, session: Present) -> int:
        """Take one in; returns its number."""
        self._number += 1
        self._present[self._number] = session
        return self._number

    def remove(self, number: int) -> None:
        self._present.pop(number, None)

    def all(self) -> list[Present]:
        return list(self._present.values())

    def find(self, number: int) -> Present | None:
        return self._present.get(number)
