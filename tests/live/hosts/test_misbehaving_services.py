"""Services that do what no service should: their callers read why, and every other service goes on."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable

import pytest

from tests.conftest import SEED_SERVICE, Server, read_until, wait_for

HOSTILE = """
import asyncio, functools, os, sys, time
from smanager import SService


class Unprintable(Exception):
    def __str__(self): raise ValueError("no text")


class Hostile(SService):
    def cmd_ok(self): return "ok"
    async def cmd_later(self): return "later"
    def cmd_die(self): os._exit(3)
    def cmd_keyboard(self): raise KeyboardInterrupt
    def cmd_generator(self): raise GeneratorExit
    def cmd_unprintable(self): raise Unprintable
    cmd_partial = functools.partial(int, "x")
    async def cmd_sysexit(self): sys.exit("out")
    async def cmd_cancelled(self): raise asyncio.CancelledError
    async def cmd_endless(self):
        while True:
            yield "x" * 100_000
    def cmd_longwinded(self): raise ValueError("x" * 4_300_000)
    def cmd_garbage(self):
        for descriptor in range(3, 30):
            try: os.write(descriptor, b"\\xff" * 100)
            except OSError: pass
        time.sleep(3600)
    def cmd_fork(self):
        if os.fork() == 0:
            print("said by a child")
            sys.exit("ended by a child")
        os.wait()
        return "parent"
    def cmd_fork_async(self):
        if (child := os.fork()) == 0:
            return asyncio.sleep(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    def cmd_stuck(self):
        print("stuck")
        time.sleep(3600)
    async def cmd_slow_pieces(self): return (time.sleep(3600) for _ in range(2))
    def cmd_help(self): return "mine"
    def cmd_exit(self): return "no way out"
    def cmd_bypass(self): os.write(1, b"y" * 20_000 + b"\\nlast words"), os._exit(5)
    def cmd_mutter(self): print("muttered", end="")
    def cmd_spawn(self):
        import subprocess
        subprocess.run(["echo", "said by a program"], stdout=sys.stdout)
        sys.stdout.buffer.write(b"said in bytes\\n")
    def cmd_buffers(self): yield from (bytearray(b"array"), memoryview(b"view"), b"bytes")
    def complete_ok(self, *_): os._exit(4)
    def complete_die(self, *_): return [str(number) for number in range(60_000)]


class Selfless(SService):
    def cmd_selfless(): return "no self"


class Numbered(SService):
    name = 5


class First(SService):
    name = "twin"
    def cmd_who(self): return "first"


class Second(SService):
    name = "twin"
    def cmd_who(self): return "second"
"""


@pytest.fixture(scope="module")
def hostile(shared: Callable[..., Server]) -> Server:
    return shared(systemstatus=SEED_SERVICE, hostile=HOSTILE)


@pytest.fixture
def own(kept: Callable[..., Server]) -> Server:
    """A hostile service for a test that takes its host from it."""
    return kept(systemstatus=SEED_SERVICE, hostile=HOSTILE)


def test_every_kind_of_exception_is_told_to_the_caller(hostile: Server) -> None:
    expected = {
        "keyboard": "KeyboardInterrupt",
        "generator": "GeneratorExit",
        "unprintable": "Unprintable: its message cannot be shown",
        "sysexit": "SystemExit: out",
        "cancelled": "CancelledError",
    }
    answers = {name: hostile.ask(f"hostile {name}") for name in expected}
    assert answers == {name: f"*** hostile {name}: {error}\n" for name, error in expected.items()}
    assert len(hostile.ask("hostile longwinded")) < 10_000
    assert hostile.ask("hostile ok; hostile later") == "ok\nlater\n"


def test_a_command_behind_one_that_ended_the_host_is_answered(own: Server) -> None:
    first, second = own.ask("hostile die; hostile ok").splitlines()
    assert first == "*** hostile die: its host died: exit status 3"
    assert second.startswith("*** hostile ok: hostile is ")
    wait_for(lambda: own.ask("hostile ok") == "ok\n", "the service to be back")


def test_readers_that_do_not_read_hold_up_no_other_async_command(hostile: Server) -> None:
    lazy = [hostile.connect() for _ in range(12)]
    for connection in lazy:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"hostile endless\n")
        connection.recv(1)
    assert hostile.ask("hostile later") == "later\n"
    for connection in lazy:
        connection.close()


SPEAKS_FOR_ITS_HOST = """
import os, time
from smanager import SService
from smanager.hosts import frames

for descriptor in range(3, 100):
    try: os.write(descriptor, frames.encode_data(frames.FrameKind.{kind}, 0, {data}))
    except OSError: pass
time.sleep(3600)
class Liar(SService): pass
"""


DIED = "its host died while it was imported: killed by SIGKILL"
LIES = [
    ("LOADED", "[__file__, {'services': [5], 'problems': []}]", "its process sent a malformed description of it"),
    ("LOADED", "[__file__, 5]", DIED),
    ("LOG", "['liar', 5]", DIED),
    ("SPAWNED", "['liar', 1]", DIED),
    ("PONG", "{'liar': 'x'}", DIED),
    ("START", "1", DIED),
]
"""A frame's kind, its data, and what the manager says of the file that sent it."""


@pytest.fixture(scope="module")
def lied_to(shared: Callable[..., Server]) -> Server:
    """A manager with one services file for each lie, and one that tells none."""
    liars = {
        f"liar_{number}": SPEAKS_FOR_ITS_HOST.format(kind=kind, data=data)
        for number, (kind, data, _) in enumerate(LIES)
    }
    return shared(systemstatus=SEED_SERVICE, **liars)


@pytest.mark.parametrize("number", range(len(LIES)), ids=[f"{kind} {data}" for kind, data, _ in LIES])
def test_frames_with_something_else_in_them_are_garbage(lied_to: Server, number: int) -> None:
    *_, message = LIES[number]
    wait_for(lambda: f"liar_{number}.py: {message}" in lied_to.ask("services"), lambda: lied_to.ask("services"))
    assert lied_to.ask("hostname") == "mycomputerhostname\n"
    assert "internal error" not in lied_to.log


def test_a_host_that_sends_garbage_is_ended_and_replaced(own: Server) -> None:
    assert own.ask("hostile garbage") == "*** hostile garbage: its host died: killed by SIGKILL\n"
    own.wait_for_log("the host sent garbage and is killed: ")
    wait_for(lambda: own.ask("hostile ok") == "ok\n", "the service to be back")
    assert own.ask("hostname") == "mycomputerhostname\n"


@pytest.mark.parametrize("command", ["ok", "die"])
def test_a_completer_that_ends_its_host_or_finds_too_much_leaves_a_usable_line(own: Server, command: str) -> None:
    with own.connect() as connection:
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
        read_until(connection, b"\r\n>")
        connection.sendall(f"hostile {command} x\t".encode())
        connection.sendall(b"\x15hostname\r")
        read_until(connection, b"mycomputerhostname")


def test_impossible_names_are_reported_and_the_first_of_two_is_kept(hostile: Server) -> None:
    problems = hostile.ask("services")
    assert "Numbered: TypeError: its name is 5, and should be text\n" in problems
    assert "cmd_selfless: the method has no parameter for `self`\n" in problems
    assert "the name twin is used in " in problems
    assert hostile.ask("twin who") == "first\n"


def test_a_child_that_a_command_forks_does_not_speak_in_its_hosts_place(hostile: Server) -> None:
    pid = hostile.children()
    assert hostile.ask("hostile fork") == "parent\n"
    assert hostile.ask("hostile fork_async") == "1\n"  # it does not go on to run other commands
    hostile.wait_for_log("said by a child")
    assert hostile.ask("hostile ok") == "ok\n"
    assert hostile.children() == pid


def test_a_plain_iterator_of_an_async_command_holds_up_no_other(hostile: Server) -> None:
    with hostile.connect() as connection:
        connection.sendall(b"hostile slow_pieces\n")
        assert hostile.ask("hostile later; hostile ok") == "later\nok\n"


def test_commands_that_ignore_their_end_leave_a_message_and_a_way_out(own: Server) -> None:
    connections = [own.connect() for _ in range(64)]
    for connection in connections:
        connection.sendall(b"hostile stuck\n")
    wait_for(lambda: own.log.count("hostile: stuck\n") == 32, "all of their share to run")
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset at the close
        connection.close()
    refused = "*** hostile ok: busy: 32 of your commands were cancelled and have not ended; `restart` ends them\n"
    with own.connect() as waiting:
        waiting.sendall(b"hostile ok\n")  # with this one in the queue nothing could ever take the next
        wait_for(lambda: own.ask("hostile ok") == refused, "the refusal")
    assert "hostile: running\n" in own.ask("restart hostile")
    assert own.ask("hostile ok") == "ok\n"


def test_what_is_printed_in_other_ways_is_logged_under_its_speakers_name(hostile: Server) -> None:
    hostile.ask("hostile mutter; twin who; hostile spawn")
    for line in ("hostile: muttered", "said by a program", "hostile: said in bytes"):
        hostile.wait_for_log(f"{line}$")
    assert hostile.ask("hostile buffers") == "array\nview\nbytes\n"


def test_what_goes_past_python_is_cut_and_marked_and_its_last_line_is_kept(own: Server) -> None:
    assert own.ask("hostile bypass") == "*** hostile bypass: its host died: exit status 5\n"
    own.wait_for_log("last words$")
    assert [len(piece) for piece in re.findall(r": (y+)(?: \[cut\])?$", own.log, re.MULTILINE)] == [
        8192,
        8192,
        3616,
    ]
    assert own.log.count(" [cut]\n") == 2
