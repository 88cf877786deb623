"""Turns what a command returns into the pieces of text or JSON that go to the manager."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple, cast

from smanager.commands.jsonable import jsonable
from smanager.hosts.frames import PAYLOAD_LIMIT, FrameKind, to_json
from smanager.service import Progress

PIECE = 64 * 1024  # characters of output in one frame at most
BYTES = bytes | bytearray | memoryview


class Piece(NamedTuple):
    kind: FrameKind
    text: str

    @property
    def room(self) -> int:
        """Progress takes no room: it is limited in its own way, and the manager does not count it."""
        return 0 if self.kind is FrameKind.PROGRESS else len(self.text)


DONE = Piece(FrameKind.RESULT, "")  # the last frame of a result that was sent in pieces


def shown(result: object, as_data: bool, columns: int) -> Piece | Iterator[Piece]:
    """A result as callers get it, as text or `as_data`: the last frame if one holds it, else pieces as they come.

    Tables are made here, because the manager has no time for a large one.
    """
    is_whole = isinstance(result, Collection) or not isinstance(result, Iterable)  # and no stream, such as a generator
    if as_data and (is_whole or is_structured(result)):
        text, whole, part = dumped(result), FrameKind.VALUE, FrameKind.DATA
    elif is_structured(result):
        from smanager.terminal.tables import page  # here, because few services return records

        text, whole, part = page(json.loads(dumped(result)), columns), FrameKind.RESULT, FrameKind.TEXT
    elif isinstance(result, str | BYTES) or not isinstance(result, Iterable):
        text, whole, part = line(result), FrameKind.RESULT, FrameKind.TEXT
    else:
        return (piece for item in result for piece in shown_item(item, as_data))
    return Piece(whole, text) if len(text) <= PIECE else cut(text, part)


async def shown_each(items: AsyncIterator[object], as_data: bool) -> AsyncIterator[Piece]:
    async for item in items:
        for piece in shown_item(item, as_data):
            yield piece


def shown_item(item: object, as_data: bool) -> Iterator[Piece]:
    """The pieces of one item of a stream. Raises ValueError if the item is too large for one message."""
    if isinstance(item, Progress):
        yield Piece(FrameKind.PROGRESS, dumped(progress_fields(item)))
    elif as_data:
        text = dumped(item)
        if len(text) > PAYLOAD_LIMIT:
            raise ValueError(f"an item of {len(text)} characters; at most {PAYLOAD_LIMIT} are allowed")
        yield Piece(FrameKind.ITEM, text)
    else:
        yield from cut(line(item), FrameKind.TEXT)


def progress_fields(progress: Progress) -> tuple[float, float | None, str]:
    """A report's done, total and text. Raises ValueError if the first two are not numbers."""
    done = number_of("done", progress.done)
    total = None if progress.total is None else number_of("total", progress.total)
    if done is None:
        raise ValueError(f"Progress: done is {progress.done!r}, and should be a number")
    return done, total, "" if progress.text is None else str(progress.text)


def number_of(name: str, given: Any) -> float | None:
    """A number of any type (NumPy has its own); None if it is infinite or not a number. Raises ValueError."""
    try:
        number = given if type(given) is int else float(given)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"Progress: {name} is {given!r}, and should be a number") from None
    return number if math.isfinite(number) else None


def dumped(result: object) -> str:
    return to_json(jsonable(result))


def is_structured(result: object) -> bool:
    """Whether a result is a record or a list of records, which are not shown as their `str`."""
    return bool(result) and all(map(is_record, result)) if isinstance(result, list) else is_record(result)


def is_record(result: object) -> bool:
    is_named_tuple = isinstance(result, tuple) and hasattr(result, "_fields")
    is_dataclass = dataclasses.is_dataclass(result) and not isinstance(result, type)
    return is_named_tuple or is_dataclass or isinstance(result, Mapping)


def cut(text: str, kind: FrameKind) -> Iterator[Piece]:
    for start in range(0, len(text), PIECE):
        yield Piece(kind, text[start : start + PIECE])


async def in_thread(items: Iterator[Piece]) -> AsyncIterator[Piece]:
    """What a plain iterator yields, awaited in a thread, because the event loop serves all of the host's commands.

    It is a thread of its own: asyncio's few are for all callers together.
    """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    end, context, thread = object(), copy_context(), ThreadPoolExecutor(1)
    loop, step = asyncio.get_running_loop(), partial(context.run, partial(next, items, end))
    try:
        while (item := await loop.run_in_executor(thread, step)) is not end:
            yield cast("Piece", item)
    finally:
        thread.shutdown(wait=False)


def line(result: object) -> str:
    """A result as text that ends with a newline; empty if the result is."""
    if result is None:
        return ""
    if is_record(result):  # an item of a stream, whose other items may have other keys
        return json.dumps(jsonable(result), ensure_ascii=False) + "\n"
    text = bytes(result).decode("utf-8", "surrogateescape") if isinstance(result, BYTES) else str(result)
    return text if not text or text.endswith("\n") else text + "\n"
