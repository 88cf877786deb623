"""The sessions of the clients that are connected."""

from __future__ import annotations

from itertools import count
from typing import Protocol

from smanager.access.callers import Caller
from smanager.access.origin import Origin
from smanager.system.moments import Moment


class Present(Protocol):
    """A session as other parts know it."""

    number: int
    peer: Origin
    caller: Caller | None  # None before a login
    since: Moment

    @property
    def kind(self) -> str:
        """`person`, `script`, `program`, or, of one who has logged in through a service, `visitor`."""

    @property
    def doing(self) -> str: ...

    def tell(self, text: str) -> None:
        """Show lines to a person; other clients see nothing."""

    def farewell(self, message: str) -> None: ...


class Sessions:
    def __init__(self) -> None:
        self._present: dict[int, Present] = {}
        self._numbers = count(1)

    def add(self, session: Present) -> int:
        number = next(self._numbers)
        self._present[number] = session
        return number

    def remove(self, number: int) -> None:
        self._present.pop(number, None)

    def all(self) -> list[Present]:
        return list(self._present.values())
