"""A host ends as any Python program does: what its services have begun is finished, whoever holds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Server

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
