"""Attempts to deliver a note: what one fails with, and when the next is made."""

from __future__ import annotations

from typing import NamedTuple

FIRST_WAIT = 2.0  # seconds before the second attempt; each further one waits twice as long
LONGEST_WAIT = 300.0  # seconds between two attempts
MOST_DOUBLINGS = 16  # more reach LONGEST_WAIT


class DeliveryError(Exception):
    """A note could not be delivered; the text says why, without a secret."""

    def __init__(self, reason: str, is_final: bool = False, wait: float = 0.0) -> None:
        """`is_final`: another attempt would fail, too; `wait`: how many seconds the receiver asks to wait."""
        super().__init__(reason)
        self.is_final = is_final
        self.wait = wait


class Attempts(NamedTuple):
    """The attempts to deliver one note, which began at a moment; they go on for `seconds`."""

    began: float
    seconds: float
    made: int = 1

    def wait_after(self, error: DeliveryError, now: float) -> float | None:
        """Seconds until the next attempt; None if there is to be none."""
        wait = min(LONGEST_WAIT, max(FIRST_WAIT * 2.0 ** min(self.made - 1, MOST_DOUBLINGS), error.wait))
        is_over = error.is_final or now + wait > self.began + self.seconds
        return None if is_over else wait
