"""Reads the audit journal, the last lines first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from smanager.system.private import opened

READ_SIZE = 64 * 1024  # bytes read at a time
ENDS_KEPT = 10_000  # ends whose commands may still be to come; a command that ran for longer is shown without its end


def last_entries(
    files: Iterable[Path], count: int, since: float, is_wanted: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """The last `count` wanted lines since a moment, the oldest first, from files of which the newest is the first.

    A command's line has the outcome of its end. Raises OSError if a file cannot be read.
    """
    found: list[dict[str, Any]] = []
    for when, entry in _entries(files):
        if when < since or len(found) >= count:
            break
        if is_wanted(entry):
            found.append(entry)
    return found[::-1]


def _entries(files: Iterable[Path]) -> Iterator[tuple[float, dict[str, Any]]]:
    """The lines, the newest first, each with its time; those of ends are taken into their commands'."""
    ends: dict[Any, dict[str, Any]] = {}
    for path in files:
        for line in _lines_backwards(path):
            with suppress(ValueError, TypeError, KeyError):  # a line that was cut
                entry = json.loads(line)
                if entry["event"] == "end":
                    if len(ends) < ENDS_KEPT:
                        ends[entry["id"]] = {"seconds": entry["seconds"], "outcome": entry["outcome"]}
                    continue
                if entry["event"] == "manager started":
                    ends.clear()  # ids begin anew with each manager
                when = datetime.fromisoformat(entry["when"]).timestamp()
                yield when, entry | ends.pop(entry.get("id"), {})


def _lines_backwards(path: Path) -> Iterator[bytes]:
    try:
        descriptor = opened(path)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb") as file:
        place, rest = file.seek(0, os.SEEK_END), b""
        while place:
            size = min(READ_SIZE, place)
            place = file.seek(place - size)
            rest, *lines = (file.read(size) + rest).split(b"\n")
            yield from reversed(lines)
        yield rest
