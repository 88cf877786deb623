"""A host ends as any Python program does: what its services have begun is finished, whoever holds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Server, wait_for

LEAVES_MUCH = """
import atexit, os, tempfile, threading, weakref
from pathlib import Path
from smanager import SService

def write(name, text="done"):
    Path(f"ends/{name}").write_text(text)

def unfinished(name):
    file = open(f"ends/{name}", "w")
    file.write("done")  # and neither flushed nor closed
    return file

class Deleted:
    def __init__(self, name):
        self.name = name

    def __del__(self, open=os.open, mode=os.O_CREAT | os.O_WRONLY):
        open(f"ends/{self.name}", mode)

of_the_module = unfinished("module's")
deleted = Deleted("deleted of the module")
temporary = tempfile.NamedTemporaryFile(dir="ends", prefix="temporary")
temporary_directory = tempfile.TemporaryDirectory(dir="ends", prefix="temporary")
cycle = [unfinished("cycle's")]
cycle.append(cycle)

@atexit.register
def imports_at_the_end():
    import csv, socket
    write("at exit", "done" if socket.socket and csv.writer else "")

class Leaving(SService):
    of_the_class = unfinished("class's")
    deleted = Deleted("deleted of the class")

    def start(self):
        self.of_the_service = unfinished("service's")
        self.deleted_too = Deleted("deleted of the service")
        weakref.finalize(self, write, "finalized")
        threading.Thread(target=self.goes_on, daemon=False).start()

    def goes_on(self):
        threading.main_thread().join()
        import decimal, socket
        write("thread's", "done" if decimal.Decimal and socket.socket else "")

    def cmd_hold(self, word: str = "") -> str:
        return word
"""
WRITTEN = {"module's", "cycle's", "class's", "service's", "at exit", "thread's", "finalized"}
MADE = {"deleted of the module", "deleted of the class", "deleted of the service"}

HELD_BY_LOGGING = '''
import logging, logging.handlers

class Late(logging.Handler):
    """Writes when it is closed, for which it imports what nobody has imported."""

    def emit(self, record):
        self.text = record.getMessage()

    def close(self):
        import colorsys, json
        write("logged", json.loads(json.dumps(self.text)))
        super().close()

logging.getLogger("late").addHandler(Late())
logging.getLogger("late").warning("done")
'''

HOLDS_UP = """
import os, select, socket, time

class NotHashed(type):
    def __eq__(self, other):
        return self is other

class Odd(metaclass=NotHashed):
    pass

odd = Odd()
pipe = os.pipe()
sockets = socket.socketpair(), socket.socketpair()
text, pair = sockets[0][0].makefile("rw"), sockets[1][0].makefile("rwb")
file = open(pipe[1], "wb")
last = unfinished("last")

class HoldsUp(SService):
    def start(self):
        data = bytes(1 << 22)
        for write, content in (text.write, data.decode()), (pair.write, data), (file.write, data):
            threading.Thread(target=write, args=[content], daemon=True).start()
        full = select.poll()
        for item in (sockets[0][0], sockets[1][0], file):
            full.register(item, select.POLLOUT)
        while full.poll(0):
            time.sleep(0.01)

Leaving = None
"""


@pytest.mark.parametrize("end", ["stop leaving", "restart leaving", "kill"])
def test_all_that_a_service_has_begun_is_finished(kept: Callable[..., Server], directory: Path, end: str) -> None:
    ends = directory / "ends"
    ends.mkdir()
    server = kept(leaving=LEAVES_MUCH)
    assert server.ask("leaving hold x") == "x\n"
    if end == "restart leaving":
        (directory / "services" / "leaving.py").write_text("")
    server.ask(end)
    server.stop()
    assert {path.name for path in ends.iterdir()} == WRITTEN | MADE
    assert {name: (ends / name).read_text() for name in WRITTEN} == dict.fromkeys(WRITTEN, "done")


def test_files_are_flushed_though_a_module_of_the_library_refers_to_them(
    kept: Callable[..., Server], directory: Path
) -> None:
    ends = directory / "ends"
    ends.mkdir()
    server = kept(leaving=LEAVES_MUCH + HELD_BY_LOGGING)
    server.stop()
    for name in WRITTEN | {"logged"}:
        assert (ends / name).read_text() == "done", name


def test_files_are_flushed_though_threads_wait_for_full_pipes(kept: Callable[..., Server], directory: Path) -> None:
    ends = directory / "ends"
    ends.mkdir()
    server = kept(holds=LEAVES_MUCH + HOLDS_UP)
    server.ask("stop holdsup")
    for name in ("module's", "cycle's", "last"):
        assert (ends / name).read_text() == "done", name
    assert (ends / "deleted of the module").exists()
    assert "Exception" not in server.ask("logs holdsup")


TELLS_AT_ITS_END = """
from concurrent.futures import Future
from threading import Timer
from smanager import SService

class Tells(SService):
    def run(self):
        work = Future()
        Timer(0.05, work.set_exception, [RuntimeError("no more")]).start()
        return work

    def __del__(self):
        self.event("deleted", "it is gone")
"""


def test_a_service_that_tells_something_as_it_is_freed_has_ended(kept: Callable[..., Server]) -> None:
    server = kept(tells=TELLS_AT_ITS_END)
    wait_for(lambda: "its run raised RuntimeError: no more" in server.ask("why tells"), "the end of the service")
