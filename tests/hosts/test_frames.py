"""The frames between the manager and a host: what goes in comes out, and garbage does not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.hosts.frames import (
    PAYLOAD_LIMIT,
    Frame,
    FrameDecoder,
    FrameError,
    FrameKind,
    encode,
    encode_data,
    encode_text,
)

frames = st.lists(st.builds(Frame, st.sampled_from(FrameKind), st.integers(0, 2**32 - 1), st.binary(max_size=100)))
cuts = st.lists(st.integers(0, 400), max_size=12)


def cut_up(data: bytes, places: Sequence[int]) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *sorted(places), len(data)])]


def decoded(data: bytes) -> Frame:
    (frame,) = FrameDecoder().receive(data)
    return frame


def test_a_frame_is_its_length_kind_and_number_before_its_payload() -> None:
    assert encode(FrameKind.TEXT, 7, b"up") == b"\0\0\0\x02\x17\0\0\0\x07up"
    assert encode(FrameKind.STOP, 0) == b"\0\0\0\0\x03\0\0\0\0"


@given(frames, cuts)
def test_frames_arrive_whole_and_in_order_however_they_are_cut(sent: list[Frame], places: list[int]) -> None:
    decoder = FrameDecoder()
    stream = b"".join(encode(*frame) for frame in sent)
    assert [frame for piece in cut_up(stream, places) for frame in decoder.receive(piece)] == sent


def test_a_frame_is_there_as_soon_as_its_last_byte_is() -> None:
    decoder = FrameDecoder()
    stream = encode(FrameKind.STOP, 1) + encode(FrameKind.TEXT, 2, b"up")
    counts = [len(list(decoder.receive(stream[place : place + 1]))) for place in range(len(stream))]
    assert counts == [0] * 8 + [1] + [0] * 10 + [1]


@given(st.binary())
def test_text_that_is_not_utf_8_travels_as_the_bytes_it_is(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    frame = decoded(encode_text(FrameKind.TEXT, 1, text))
    assert frame.payload == data
    assert frame.text() == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters() | st.characters(categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_data_arrives_as_it_was(data: object) -> None:
    assert decoded(encode_data(FrameKind.LOADED, 0, data)).data() == data


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"nothing", b"\xff\xfe\xfd", b"[" * 100_000, b"1" * 100_000],
    ids=["nothing", "cut off", "no JSON", "no text", "too deep", "too large a number"],
)
def test_a_payload_that_is_no_json_is_an_error_that_names_the_frame(payload: bytes) -> None:
    frame = decoded(encode(FrameKind.READY, 3, payload))
    with pytest.raises(FrameError, match=r"^READY frame without JSON: "):
        frame.data()


def test_a_payload_as_large_as_allowed_arrives() -> None:
    assert len(decoded(encode(FrameKind.RESULT, 1, bytes(PAYLOAD_LIMIT))).payload) == PAYLOAD_LIMIT


def test_a_larger_payload_is_refused_before_any_of_it_has_come() -> None:
    header = (PAYLOAD_LIMIT + 1).to_bytes(4) + bytes([FrameKind.RESULT, 0, 0, 0, 1])
    with pytest.raises(FrameError, match=f"^a payload of {PAYLOAD_LIMIT + 1} bytes; at most {PAYLOAD_LIMIT} are"):
        list(FrameDecoder().receive(header))


@pytest.mark.parametrize("kind", [0, 15, 99, 255])
def test_a_kind_that_there_is_not_is_refused(kind: int) -> None:
    with pytest.raises(FrameError, match=f"^{kind} is not a kind of frame$"):
        list(FrameDecoder().receive(bytes([0, 0, 0, 0, kind, 0, 0, 0, 0])))


def test_what_came_before_garbage_counts() -> None:
    arriving = FrameDecoder().receive(encode(FrameKind.TEXT, 1, b"up") + b"Traceback (most recent call last):\n")
    assert next(arriving) == Frame(FrameKind.TEXT, 1, b"up")
    with pytest.raises(FrameError):
        next(arriving)


@given(st.binary(), cuts)
def test_any_bytes_are_frames_or_an_error(data: bytes, places: list[int]) -> None:
    decoder = FrameDecoder()
    try:
        arrived = [frame for piece in cut_up(data, places) for frame in decoder.receive(piece)]
    except FrameError:
        return
    assert data.startswith(b"".join(encode(*frame) for frame in arrived))
