"""Where shells print: on a terminal, which can replace what it shows, or in plain order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol


class Output(Protocol):
    """Where a shell prints."""

    @property
    def columns(self) -> int:
        """The width of the window; 0 without one."""

    def write(self, text: str, /) -> object: ...

    def progress(self, text: str, /) -> object:
        """Show a line until something else is shown, where there is a window."""

    def redraw(self, text: str, /) -> object:
        """Show a page in place of the one before."""


class PlainOutput(ABC):
    """An output that shows text in its order, and has no window: nothing on it is replaced."""

    __slots__ = ()

    @property
    def columns(self) -> int:
        return 0

    @abstractmethod
    def write(self, text: str, /) -> None: ...

    def progress(self, text: str, /) -> None:  # noqa: B027  # not abstract: plain outputs show no progress
        pass

    def redraw(self, text: str, /) -> None:
        self.write(text)
