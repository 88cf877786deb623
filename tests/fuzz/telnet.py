"""The telnet codec: any bytes are text, signals and negotiation, the same however they are cut."""

from __future__ import annotations

from smanager.server.telnet import TelnetCodec, TelnetEvent, escape
from tests.fuzz import cuts

OFFER = 4 * 3
"""Bytes of what we ask for at the beginning."""

MOST_ANSWERED = 3
"""Bytes for each that has come: a terminal's type takes 9, upon the 3 by which the client says that it has one."""


def target(data: bytes) -> None:
    (events, answers), *others = [received(pieces) for pieces in cuts(data)]
    assert all(other == (events, answers) for other in others)
    assert len(text(events)) + len(events) <= 2 * len(data)
    assert len(answers) <= OFFER + MOST_ANSWERED * len(data)
    assert text(TelnetCodec().receive(escape(data))) == data


def received(pieces: list[bytes]) -> tuple[list[TelnetEvent], bytes]:
    """The events, with text that came in pieces put together, and the answers."""
    codec = TelnetCodec()
    codec.offer()
    events: list[TelnetEvent] = []
    for piece in pieces:
        for event in codec.receive(piece):
            if isinstance(event, bytes) and events and isinstance(events[-1], bytes):
                events[-1] += event
            else:
                events.append(event)
    return events, codec.take_output()


def text(events: list[TelnetEvent]) -> bytes:
    return b"".join(event for event in events if isinstance(event, bytes))
