"""What the modes share that find out who and what a client is."""

from __future__ import annotations


class EarlyMode:
    """A mode in which no command runs yet."""

    def idle(self) -> None:
        """Do nothing: nothing ran."""

    def farewell(self, message: str) -> None:
        """Say nothing: a client that has been told nothing expects nothing."""
