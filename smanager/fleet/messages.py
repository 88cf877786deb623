"""What the members of a fleet say to each other: requests as JSON, and replies in numbered pieces.

A NATS server may lose messages, when it is restarted or when a receiver is slow. So a request has an ID and can be
sent again, a reply's pieces are counted, and the node keeps them until the requester has taken them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum, unique
from typing import Any, NamedTuple

from smanager.fleet.subjects import is_name

WINDOW = 64 * 1024  # bytes of a reply on their way: who does not read holds as many of each of a thousand nodes
PIECE_COST = 256  # bytes that a piece counts for beside its data: what it takes on its way, and in memory
PIECE_LIMIT = 32 * 1024  # bytes of one message, for the hub and all that it serves share one connection
HEADER_SPACE = 256  # bytes of a message beside its data, at most
HIGHEST = 2**53 - 1  # number of a request or a piece, and age: JSON of other languages has no higher ones

JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

KEEP_SECONDS = 5.0  # from one sign of life of a session to the next, while requests of it run
GONE_SECONDS = 3 * KEEP_SECONDS + 1  # of silence, after which the other side is taken for gone


class MessageError(ValueError):
    """A message that no member of a fleet sends."""


class RequestId(NamedTuple):
    """Names a request of one user."""

    session: str
    number: int


class CallRequest(NamedTuple):
    """Run a command, or send again what is missing of its reply."""

    id: RequestId
    method: str
    params: list[Any] | dict[str, Any]
    age: float = 0.0  # seconds since it was sent for the first time; 0 says that this is the first time
    first: int = 0  # the first piece of the reply that has not come


class CancelRequest(NamedTuple):
    """End a command."""

    id: RequestId


class TakenRequest(NamedTuple):
    """All pieces of a reply before this one were taken."""

    id: RequestId
    next: int


class AliveRequest(NamedTuple):
    """A session is there, and wants to hear of what runs for it."""

    session: str


Request = CallRequest | CancelRequest | TakenRequest | AliveRequest


def encode_request(request: Request) -> bytes:
    """Raises TypeError or ValueError if parameters are not JSON."""
    return JSON.encode(_fields(request)).encode()


def _fields(request: Request) -> dict[str, Any]:
    match request:
        case CallRequest(RequestId(session, number), method, params, age, first):
            repeated = {"age": age, "first": first} if age else {}
            return {"session": session, "id": number, "call": method, "params": params, **repeated}
        case CancelRequest(RequestId(session, number)):
            return {"session": session, "id": number, "cancel": True}
        case TakenRequest(RequestId(session, number), following):
            return {"session": session, "id": number, "taken": following}
        case AliveRequest(session):
            return {"session": session, "alive": True}


def decode_request(data: bytes) -> Request:
    """Raises MessageError."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        raise MessageError("not JSON") from None
    match fields:
        # Subjects of replies have the session in them; as text of another form, it could be commands for the hub.
        case {"session": str(session), "alive": True} if is_name(session):
            return AliveRequest(session)
        case {"session": str(session), "id": int(number)} if is_name(session) and _is_number(number):
            return _about_request(RequestId(session, number), fields)
    raise MessageError("not a request")


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST


def _about_request(request: RequestId, fields: dict[str, Any]) -> Request:
    match fields:
        case {"call": str(method), "params": list() | dict() as params}:
            age, first = fields.get("age", 0.0), fields.get("first", 0)
            if isinstance(age, int | float) and 0 <= age <= HIGHEST and _is_number(first):
                return CallRequest(request, method, params, age, first)
        case {"cancel": True}:
            return CancelRequest(request)
        case {"taken": int(following)} if _is_number(following):
            return TakenRequest(request, following)
    raise MessageError("not a request")


@unique
class PieceKind(Enum):
    """What a piece of a reply is."""

    ALIVE = "alive"  # nothing new: the request runs, and so many pieces have been sent
    ITEM = "item"
    PROGRESS = "progress"
    RESULT = "result"
    ERROR = "error"

    @property
    def is_last(self) -> bool:
        return self in (PieceKind.RESULT, PieceKind.ERROR)


KINDS = {kind.value: kind for kind in PieceKind}


class ReplyPiece(NamedTuple):
    """A message of a reply: JSON of a value, or a part of that if it is long."""

    number: int
    kind: PieceKind
    data: bytes
    is_whole: bool = True  # whether no more of this value follows

    @property
    def size(self) -> int:
        """Bytes that it takes of a window."""
        return len(self.data) + PIECE_COST

    def encode(self, request: int) -> bytes:
        header = [request, self.number, self.kind.value, self.is_whole]
        return JSON.encode(header).encode() + b"\n" + self.data


def decode_piece(data: bytes) -> tuple[int, ReplyPiece]:
    """The number of the request, and a piece of the reply to it. Raises MessageError."""
    header, _, rest = data.partition(b"\n")
    try:
        match json.loads(header):
            case [int(request), int(number), str(kind), bool(is_whole)] if _is_number(request) and _is_number(number):
                return request, ReplyPiece(number, KINDS[kind], rest, is_whole)
    except (KeyError, ValueError, RecursionError):
        pass
    raise MessageError("not a piece of a reply")


def pieces_of(first: int, kind: PieceKind, value: object, most: int) -> Iterator[ReplyPiece]:
    """A value, in pieces of at most so many bytes. Raises TypeError or ValueError if the value is not JSON."""
    data = JSON.encode(value).encode()  # ASCII, so it can be cut anywhere
    for number, start in enumerate(range(0, len(data), most), first):
        yield ReplyPiece(number, kind, data[start : start + most], start + most >= len(data))
