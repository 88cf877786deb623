"""Paths of unix sockets, for which the system has room for some 100 bytes only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST = 100  # bytes that every system takes; Linux has room for 107 (unix(7))


@contextmanager
def shortened(path: Path) -> Iterator[str]:
    """A path to a socket in the same place that is short enough, where the system offers one. Raises OSError."""
    if len(os.fsencode(path)) <= LONGEST or not Path("/proc/self/fd").is_dir():
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
