"""A manager with commands that try the patience of its clients."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import SEED_SERVICE, Server

TRAPS = """
    def cmd_wait(self, seconds):
        import time
        print("waiting")
        try:
            time.sleep(0.01)
            for _ in range(int(float(seconds) * 100)):
                time.sleep(0.01)
        finally:
            print("waited")
        return "waited"

    def cmd_say(self, *words):
        return " ".join(words)

    def cmd_big(self, size):
        return "x" * int(size)

    def complete_say(self, text, line, begidx, endidx):
        import time
        time.sleep(0.5)
        return [f"answer-to-{text}"]

"""


@pytest.fixture(scope="module")
def shared_server(shared: Callable[..., Server]) -> Server:
    return shared(systemstatus=SEED_SERVICE + TRAPS)


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The manager that a module's tests share, with nothing in its log yet."""
    shared_server.forget_log()
    return shared_server
