"""TLS handshakes under way at a listener: few at a time, since each takes much more memory than a silent client."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Protocol

MOST_HANDSHAKES = 128
"""Handshakes under way at a listener, each of some 70 kB. Enough to keep a processor busy: it does a thousand a second,
and each takes two round trips."""

FAIR_SECONDS = 1.0
"""How long a handshake is safe from clients that wait for its place: longer than two round trips on most networks."""


class Newcomer(Protocol):
    """A connection that has begun a TLS handshake, or would like to."""

    def secure(self, context: ssl.SSLContext) -> None: ...  # begin the handshake; ends with `Handshakes.leave`
    def abort(self) -> None: ...


@dataclass(eq=False)
class Handshakes:
    """Lets clients begin their handshakes; those beyond the limit wait, and the latest of them is the first to go on.

    A flood thus gives up its oldest handshakes, and those who come after it wait for a second.
    """

    context: ssl.SSLContext  # for handshakes that begin from now on
    _under_way: dict[Newcomer, float] = field(
        default_factory=dict
    )  # the oldest first, with the loop's time of its begin
    _waiting: dict[Newcomer, None] = field(default_factory=dict)
    _timer: asyncio.TimerHandle | None = None

    def enter(self, client: Newcomer) -> None:
        """Begin a client's handshake now or later."""
        self._waiting[client] = None
        self._go_on()

    def leave(self, client: Newcomer) -> None:
        """The client's handshake is complete, has failed, or will never begin."""
        self._waiting.pop(client, None)
        if self._under_way.pop(client, None) is not None:
            self._go_on()

    def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            if len(self._under_way) >= MOST_HANDSHAKES:
                oldest, since = next(iter(self._under_way.items()))
                if loop.time() < since + FAIR_SECONDS:
                    self._timer = self._timer or loop.call_at(since + FAIR_SECONDS, self._ring)
                    return
                del self._under_way[oldest]
                oldest.abort()
            latest, _ = self._waiting.popitem()
            self._under_way[latest] = loop.time()
            latest.secure(self.context)

    def _ring(self) -> None:
        self._timer = None
        self._go_on()
