"""What a command has returned, made into the pieces that go to the manager: of text, or of JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard, TypeVar, cast

from smanager.commands.jsonable import jsonable
from smanager.hosts.frames import PAYLOAD_LIMIT, Kind
from smanager.service import Progress

T = TypeVar("T")

PIECE = 64 * 1024
"""Characters of output in one frame at most."""

_encode = json.JSONEncoder(separators=(",", ":")).encode

BYTES = bytes | bytearray | memoryview


class Piece(NamedTuple):
    """A part of a result, or all of it."""

    kind: Kind
    text: str


DONE = Piece(Kind.RESULT, "")
"""The last frame, where all has been sent in pieces."""


def shown(result: object, as_data: bool) -> Piece | Iterator[Piece]:
    """A result as its callers get it: the last frame where it fits one, else the pieces of it, each as it comes.

    `as_data` says that they want no text, but the value itself; of an iterator, each item.
    """
    if as_data:
        return items(result) if is_stream(result) else value(result)
    if not isinstance(result, str) and is_structured(result):
        return value(result)
    if isinstance(result, str | BYTES) or not isinstance(result, Iterable):
        text = line(result)
        return Piece(Kind.RESULT, text) if len(text) <= PIECE else cut(text, Kind.TEXT)
    return (piece for item in result for piece in shown_item(item, as_data))


async def shown_each(found: AsyncIterator[object], as_data: bool) -> AsyncIterator[Piece]:
    async for item in found:
        for piece in shown_item(item, as_data):
            yield piece


def is_stream(result: object) -> TypeGuard[Iterable[object]]:
    """Whether nobody knows how much comes, as with a generator; all else is whole."""
    return isinstance(result, Iterable) and not isinstance(result, Collection) and not is_structured(result)


def items(found: Iterable[object]) -> Iterator[Piece]:
    return (piece for item in found for piece in shown_item(item, as_data=True))


def shown_item(item: object, as_data: bool) -> Iterator[Piece]:
    """One item of a stream. Raises ValueError where it is too large for one message."""
    if isinstance(item, Progress):
        yield Piece(Kind.PROGRESS, dumped(progress_fields(item)))
    elif as_data:
        text = dumped(item)
        if len(text) > PAYLOAD_LIMIT:
            raise ValueError(f"an item of {len(text)} characters; at most {PAYLOAD_LIMIT} are allowed")
        yield Piece(Kind.ITEM, text)
    else:
        yield from cut(line(item), Kind.TEXT)


def progress_fields(progress: Progress) -> tuple[float, float | None, str]:
    """How far a command is. Raises ValueError where it says that in no number."""
    done = number_of("done", progress.done)
    total = None if progress.total is None else number_of("total", progress.total)
    if done is None:
        raise ValueError(f"Progress: done is {progress.done!r}, and should be a number")
    return done, total, "" if progress.text is None else str(progress.text)


def number_of(name: str, given: Any) -> float | None:
    """A number of whatever kind (NumPy has its own); None where it is infinite, or none at all."""
    try:
        found = given if type(given) is int else float(given)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"Progress: {name} is {given!r}, and should be a number") from None
    return found if math.isfinite(found) else None


def value(result: object) -> Piece | Iterator[Piece]:
    text = dumped(result)
    return Piece(Kind.VALUE, text) if len(text) <= PIECE else cut(text, Kind.DATA)


def dumped(found: object) -> str:
    return _encode(jsonable(found))


def is_structured(result: object) -> bool:
    """Whether it is a record, or a list of records, which are not shown as their text."""
    if isinstance(result, list):
        return bool(result) and all(map(is_record, result))
    return is_record(result)


def is_record(result: object) -> bool:
    if isinstance(result, Mapping):
        return True
    is_dataclass = dataclasses.is_dataclass(result) and not isinstance(result, type)
    return is_dataclass or (isinstance(result, tuple) and hasattr(result, "_fields"))


def cut(text: str, kind: Kind) -> Iterator[Piece]:
    for start in range(0, len(text), PIECE):
        yield Piece(kind, text[start : start + PIECE])


async def in_thread(found: Iterator[T]) -> AsyncIterator[T]:
    """What a plain iterator yields, waited for in a thread: the event loop is for all of the file's commands."""
    import asyncio

    end = object()
    while (item := await asyncio.to_thread(next, found, end)) is not end:
        yield cast("T", item)


def line(result: object) -> str:
    """A result as it is shown: with one newline at its end, or nothing where it is empty."""
    if result is None:
        return ""
    if is_record(result):  # one of a stream, whose others may have other keys
        return json.dumps(jsonable(result), ensure_ascii=False) + "\n"
    text = bytes(result).decode("utf-8", "surrogateescape") if isinstance(result, BYTES) else str(result)
    return text if not text or text.endswith("\n") else text + "\n"
