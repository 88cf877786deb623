"""Turns what a command returns into the pieces of text or JSON that go to the manager."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple, TypeGuard, cast

from smanager.commands.jsonable import jsonable
from smanager.hosts.frames import PAYLOAD_LIMIT, FrameKind, to_json
from smanager.service import Progress

PIECE = 64 * 1024  # characters of output in one frame at most
PROGRESS_LIMIT = 1000  # characters of a progress report's text, which is shown in one line
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
    if is_stream(result, as_data):
        return shown_stream(iter(result), as_data, columns)
    text = dumped(result) if as_data else text_of(result, columns)
    if len(text) <= PIECE:
        return Piece(FrameKind.VALUE if as_data else FrameKind.RESULT, text)
    return cut(text, FrameKind.DATA if as_data else FrameKind.TEXT)


def is_stream(result: object, as_data: bool) -> TypeGuard[Iterable[object]]:
    """Whether a result is shown item by item: as text any iterable, as data only what is not whole already."""
    if not isinstance(result, Iterable) or is_structured(result) or getattr(result, "ndim", 1) == 0:
        return False  # NumPy's arrays without a dimension only look iterable
    return not isinstance(result, Collection if as_data else str | BYTES)


def text_of(result: object, columns: int) -> str:
    if not is_structured(result):
        return line(result)
    from smanager.terminal.tables import page  # here, because few services return records

    return page(json.loads(dumped(result)), columns)


def shown_stream(items: Iterator[object], as_data: bool, columns: int) -> Iterator[Piece]:
    """The pieces of a stream's items, then those of what a generator returns at its end."""
    while True:
        try:
            item = next(items)
        except StopIteration as end:
            returned = end.value
            break
        yield from shown_item(item, as_data)
    if returned is None:
        return
    if is_stream(returned, as_data):
        yield from shown_stream(iter(returned), as_data, columns)
    elif as_data:
        yield from cut(dumped(returned), FrameKind.DATA)
    else:
        yield from cut(text_of(returned, columns), FrameKind.TEXT)


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
    return done, total, "" if progress.text is None else str(progress.text)[:PROGRESS_LIMIT]


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
