"""What a plain output does with what only a terminal can show."""

from __future__ import annotations

from abc import ABC, abstractmethod


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
