"""Where shells print: on a terminal, which can replace what it shows, or in plain order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol


class Output(Protocol):
    """Where a shell prints."""

    def write(self, text: str, /) -> object: ...

    @property
    def columns(self) -> int:
        """The width of the window; 0 without one."""

    def progress(self, text: str, /) -> object:
        """Show a line until something else is shown, where there is a window."""

    def redraw(self, text: str, /) -> object:
        """Show a page in place of the one before."""


class PlainOutput(ABC):
    """An output that shows text in its order, and has no window: nothing on it is replaced."""

    __slots__ = ()

    @property
    def columns(self) -> int:
        """The width of the window; 0 without one."""
        return 0

    @abstractmethod
    def write(self, text: str, /) -> None:
        """Print text."""

    def progress(self, text: str, /) -> None:  # noqa: B027  # not abstract: plain outputs do nothing here
        """Show nothing: the line could not be replaced."""

    def redraw(self, text: str, /) -> None:
        """Print a page below the one before."""
        self.write(text)
