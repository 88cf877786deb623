"""The frames between the manager and a host: any bytes are frames or a FrameError, the same however they are cut."""

from __future__ import annotations

from contextlib import suppress

from smanager.hosts.frames import Frame, FrameDecoder, FrameError, FrameKind, encode, encode_data, encode_text
from tests.fuzz import cuts


def target(data: bytes) -> None:
    (frames, is_broken), *others = [decoded(pieces) for pieces in cuts(data)]
    assert all(other == (frames, is_broken) for other in others)
    assert data.startswith(b"".join(encode(*frame) for frame in frames))
    for frame in [*frames, Frame(FrameKind.LOG, 0, data)]:
        read(frame)

    text = data.decode("utf-8", "surrogateescape")
    sent = encode(FrameKind.LOG, 1, data) + encode_text(FrameKind.TEXT, 2, text) + encode_data(FrameKind.DATA, 3, text)
    raw, as_text, as_data = FrameDecoder().receive(sent)
    assert raw.payload == data
    assert as_text.text() == text
    assert as_data.data() == text


def decoded(pieces: list[bytes]) -> tuple[list[Frame], bool]:
    """The frames, and whether something that is none came behind them."""
    decoder = FrameDecoder()
    frames: list[Frame] = []
    try:
        for piece in pieces:
            frames.extend(decoder.receive(piece))  # those before an error are kept
    except FrameError:
        return frames, True
    return frames, False


def read(frame: Frame) -> None:
    """Take it for all that a frame may be."""
    frame.text()
    with suppress(FrameError):
        frame.texts()
    with suppress(FrameError):
        frame.numbers()
    with suppress(FrameError):
        frame.fields(str, str | None)
