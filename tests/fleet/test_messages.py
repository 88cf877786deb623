"""What members of a fleet say: each message is read as it was sent, and garbage is refused in one way."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.fleet.messages import (
    HEADER_SPACE,
    HIGHEST,
    PIECE_LIMIT,
    AliveRequest,
    CallRequest,
    CancelRequest,
    MessageError,
    PieceKind,
    ReplyPiece,
    Request,
    RequestId,
    TakenRequest,
    decode_piece,
    decode_request,
    encode_request,
    pieces_of,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
NUMBERS = st.integers(0, HIGHEST)
SESSIONS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
IDS = st.builds(RequestId, SESSIONS, NUMBERS)
PARAMS = st.lists(JSON, max_size=3) | st.dictionaries(st.text(), JSON, max_size=3)
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.builds(CallRequest, IDS, st.text(), PARAMS, st.just(0.0), st.just(0)),
    st.builds(CallRequest, IDS, st.text(), PARAMS, st.floats(0.001, 1e6), NUMBERS),
    st.builds(CancelRequest, IDS),
    st.builds(TakenRequest, IDS, NUMBERS),
    st.builds(AliveRequest, SESSIONS),
)


@given(REQUESTS)
def test_a_request_is_read_as_it_was_sent(request: Request) -> None:
    assert decode_request(encode_request(request)) == request


@given(NUMBERS, NUMBERS, st.sampled_from(PieceKind), st.binary(), st.booleans())
def test_a_piece_is_read_as_it_was_sent(request: int, number: int, kind: PieceKind, data: bytes, whole: bool) -> None:
    piece = ReplyPiece(number, kind, data, whole)
    encoded = piece.encode(request)
    assert decode_piece(encoded) == (request, piece)
    assert len(encoded) <= len(data) + HEADER_SPACE


@given(JSON, st.integers(1, 50), NUMBERS)
def test_the_pieces_of_a_value_are_short_and_make_the_value(value: object, most: int, first: int) -> None:
    pieces = list(pieces_of(first, PieceKind.ITEM, value, most))
    assert json.loads(b"".join(piece.data for piece in pieces)) == value
    assert [piece.number for piece in pieces] == list(range(first, first + len(pieces)))
    assert [piece.is_whole for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(0 < len(piece.data) <= most for piece in pieces)


@given(st.one_of(st.binary(), JSON.map(lambda value: json.dumps(value).encode()), REQUESTS.map(encode_request)))
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with suppress(MessageError):
        decode_request(data)
    with suppress(MessageError):
        decode_piece(data)
    with suppress(MessageError):
        decode_piece(data[:-1] + b"\n" + data)


FIELDS = {"session": "s", "id": 1, "call": "status", "params": []}


@pytest.mark.parametrize(
    "wrong",
    [
        {"session": ""},
        {"session": "s" * 65},
        {"session": "a.b"},
        {"session": "*"},
        {"session": ">"},
        {"session": "a b"},
        {"session": "a\r\nPUB smanager-reply.bob.s.box 2\r\n{}"},  # a line for the hub, from the node
        {"session": "a\n"},
        {"session": 5},
        {"id": True},
        {"id": -1},
        {"id": 10**4000},  # would not fit into a piece's header
        {"id": 1.0},
        {"params": "x"},
        {"params": None},
        {"call": None},
        {"age": -1},
        {"age": float("nan")},
        {"age": "1"},
        {"age": 10**400},
        {"first": -1},
        {"first": True},
        {"first": 10**30},
    ],
)
def test_a_request_with_a_wrong_field_is_refused(wrong: dict[str, object]) -> None:
    assert decode_request(json.dumps(FIELDS).encode())
    with pytest.raises(MessageError):
        decode_request(json.dumps({**FIELDS, **wrong}).encode())


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"1" * 5000])
def test_what_is_hard_to_parse_is_refused_like_other_garbage(data: bytes) -> None:
    with pytest.raises(MessageError):
        decode_request(data)
    with pytest.raises(MessageError):
        decode_piece(data)


@pytest.mark.parametrize("header", [[1, 2, "item"], [1, 2, "other", True], [1, -2, "item", True], [1, 2, "item", 1]])
def test_a_piece_with_a_wrong_header_is_refused(header: list[object]) -> None:
    with pytest.raises(MessageError):
        decode_piece(json.dumps(header).encode() + b"\n{}")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_is_not_json_is_not_sent(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode_request(CallRequest(RequestId("s", 1), "status", [value]))
    with pytest.raises((TypeError, ValueError)):
        list(pieces_of(0, PieceKind.RESULT, value, PIECE_LIMIT))
