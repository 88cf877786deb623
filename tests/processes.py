"""The machine's processes, of which a look costs less than a start of ps(1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

MOST_READ = 64 * 1024  # bytes of a command line


class Shown(NamedTuple):
    """A process as `ps` shows it."""

    pid: int
    parent: int
    name: str
    command: str


def shown() -> Iterator[Shown]:
    with os.scandir("/proc") as entries:
        for directory in filter(str.isdigit, [entry.name for entry in entries]):
            with suppress(OSError):  # it has ended
                name, _, fields = content(f"/proc/{directory}/stat").partition("(")[2].rpartition(") ")
                command = content(f"/proc/{directory}/cmdline").rstrip("\0").replace("\0", " ")
                yield Shown(int(directory), int(fields.split()[1]), name, command)


def content(path: str) -> str:
    """A file of /proc, read in a quarter of the time that `Path.read_text` takes: a test may look a hundred times."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, MOST_READ).decode(errors="replace")
    finally:
        os.close(descriptor)
