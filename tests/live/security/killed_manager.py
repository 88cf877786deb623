"""`killed_manager.py WHERE NUMBER OPTIONS`: a manager that is killed at one point of its life.

WHERE is `journal`, `frames` or `output`, and `before-` or `after-` it; the kill comes at the NUMBERth time that this
leaves after the manager has begun to listen.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from smanager import cli
from smanager.access.audit import Audit
from smanager.hosts.handle import Host
from smanager.server.connection import Connection

PLACES: dict[str, tuple[type, str]] = {
    "journal": (Audit, "_put"),
    "frames": (Host, "_flush"),
    "output": (Connection, "_write"),
}


def main() -> int:
    (when, _, place), number = sys.argv[1].partition("-"), int(sys.argv[2])
    owner, name = PLACES[place]
    original: Callable[..., Any] = getattr(owner, name)
    times = itertools.count(1)

    def leave(self: object, *arguments: object) -> object:
        is_last = os.path.exists("armed") and next(times) == number  # noqa: PTH110 - as the code under test does
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(self, *arguments)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, leave)
    return cli.main(sys.argv[3:])


if __name__ == "__main__":
    sys.exit(main())
