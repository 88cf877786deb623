"""The machine's processes, of which a look costs less than a start of ps(1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Shown(NamedTuple):
    """A process as `ps` shows it."""

    pid: int
    parent: int
    name: str
    command: str


def shown() -> Iterator[Shown]:
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            name, _, fields = (directory / "stat").read_text(errors="replace").partition("(")[2].rpartition(") ")
            command = (directory / "cmdline").read_text(errors="replace").rstrip("\0").replace("\0", " ")
            yield Shown(int(directory.name), int(fields.split()[1]), name, command)
