"""Where shells print: on a terminal, which can replace what it shows, or in plain order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol


class Output(Protocol):
    """Where a shell prints."""

    @property
    def columns(self) -> int:
        """The width of the window; 0 without one."""

    @property
    def has_colours(self) -> bool: ...

    def write(self, text: str, /) -> object: ...

    def paint(self, text: str, /) -> object:
        """Show text that is safe for a terminal and has colours, where the terminal has."""

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

    @property
    def has_colours(self) -> bool:
        return False

    @abstractmethod
    def write(self, text: str, /) -> None: ...

    def paint(self, text: str, /) -> None:
        self.write(text)

    def progress(self, text: str, /) -> None:  # noqa: B027  # not abstract: plain outputs show no progress
        pass

    def redraw(self, text: str, /) -> None:
        self.write(text)
