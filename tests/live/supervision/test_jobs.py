"""Commands that take their time: how they are ended, listed, and kept from running twice."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.hosts.child.places import MOST_WORKERS
from smanager.shells.interpreter import DETACHED_LIMIT
from tests.conftest import Server, ask_unix, is_in, read_until, wait_for
from tests.live.clients import at_a_terminal, request, reset, responses

LONG = """
import asyncio, time
from smanager import Progress, SService, command


class Long(SService):
    def cmd_busy(self):
        print("busy")
        while True: pass
    def cmd_stuck(self):
        print("stuck")
        time.sleep(3)
    async def cmd_later(self):
        print("later")
        try:
            await asyncio.sleep(3600)
        finally:
            print("tidied up")
    @command(timeout=0.2)
    def cmd_brief(self):
        while True: pass
    def cmd_deaf(self):
        print("deaf")
        try:
            while True: time.sleep(0.01)
        except BaseException:
            print("once")
            while True: time.sleep(0.01)
    @command(exclusive=True)
    async def cmd_single(self):
        print("single")
        await asyncio.sleep(3600)
    def cmd_far(self, gate):
        import os
        for done in range(0, 101, 25):
            yield Progress(done, 100, "copying")
            while done == 50 and not os.path.exists(gate): time.sleep(0.01)
            time.sleep(0.12)
        yield "copied"
    yielded = 0
    def cmd_flood(self):
        while True:
            Long.yielded += 1
            yield "x" * 10_000
    def cmd_yielded(self): return self.yielded
    def cmd_odd(self, given):
        yield Progress(*eval(f"({given},)"))
        yield "fine"
    @command(exclusive=True)
    async def cmd_stubborn(self, gate):
        import os
        print("stubborn")
        while not os.path.exists(gate):
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                print("not yet")
    @command(hidden=True)
    def cmd_secret(self): return "found"
    @command(aliases=["ls", "dir"])
    def cmd_list(self, where="here"): return where
    @command(aliases=["dir2"])
    def toplevel_cmd_top(self, word): return word
    @command(hidden=True)
    def toplevel_cmd_trapdoor(self): return "open"
"""


@pytest.fixture
def server(reloaded: Callable[..., Server]) -> Server:
    return reloaded(long=LONG)


@pytest.fixture
def new(kept: Callable[..., Server]) -> Server:
    """A server whose first job has the number 1."""
    return kept(long=LONG)


@pytest.fixture(scope="module")
def calm(shared: Callable[..., Server]) -> Server:
    """A server for tests that leave no job and read no log."""
    return shared(long=LONG)


def test_a_client_that_is_gone_is_found_out_though_nothing_is_said(server: Server) -> None:
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)  # else the system remembers it for a minute
        connection.sendall(b"long later\n")
        server.wait_for_log("long: later")
    server.wait_for_log("long: tidied up")
    wait_for(lambda: server.ask("jobs") == "", "the end of the job")


def test_a_scripts_interrupt_ends_its_command(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"long later\n")
        server.wait_for_log("long: later")
        connection.sendall(b"\xff\xf4")
        assert read_until(connection, b"\n") == b"*** long later: cancelled\n"


@pytest.mark.parametrize("name", ["busy", "later"])
def test_a_hang_up_ends_the_method(server: Server, name: str) -> None:
    with server.connect() as connection:
        connection.sendall(f"long {name}\n".encode())
        server.wait_for_log(f"long: {name}")
        assert len(json.loads(server.ask("jobs --json"))) == 1
        reset(connection)
    wait_for(lambda: json.loads(server.ask("jobs --json")) == [], "the end of the job")
    if name == "later":
        server.wait_for_log("long: tidied up")


def test_jobs_are_listed_and_cancelled_by_others(new: Server) -> None:
    with new.connect() as connection:
        connection.sendall(b"long busy\n")
        new.wait_for_log("long: busy")
        (job,) = json.loads(new.ask("jobs --json"))
        assert (job["id"], job["command"]) == (1, "long busy")
        assert job["from"].startswith("127.0.0.1:")
        assert new.ask("cancel 1") == ""
        assert read_until(connection, b"\n").startswith(b"*** long busy: cancelled by 127.0.0.1:")
    wait_for(lambda: new.ask("jobs") == "", "the end of the job")  # on a busy machine it takes a moment
    assert new.ask("cancel 1") == "*** cancel: unknown job 1; known: none\n"
    assert new.ask("cancel").startswith("*** cancel: too few arguments: job missing; usage: cancel job")


def test_a_method_that_cannot_be_ended_is_left_and_listed_until_it_ends(server: Server) -> None:
    cancel = {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}}
    with server.connect() as connection:
        connection.sendall(json.dumps(request("long.stuck")).encode() + b"\n")
        server.wait_for_log("long: stuck")
        began = time.monotonic()
        connection.sendall(json.dumps(cancel).encode() + b"\n")
        assert json.loads(read_until(connection, b"\n"))["error"]["code"] == -32800
        assert time.monotonic() - began < 3  # the method itself takes longer
        assert "long.stuck" in server.ask("jobs")
    wait_for(lambda: server.ask("jobs") == "", "the end of the method")


def test_a_command_is_ended_after_its_timeout(calm: Server) -> None:
    assert calm.ask("long brief") == "*** long brief: took longer than 0.2 s\n"


def test_an_exclusive_command_does_not_run_twice(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"long single\n")
        server.wait_for_log("long: single")
        assert server.ask("long single") == "*** long single: already running; `jobs` has details\n"
        (refused,) = responses(server, request("long.single"))
        assert "already running" in refused["error"]["message"]
        reset(connection)
    wait_for(lambda: server.ask("jobs") == "", "the end of the first one")


def test_an_async_command_has_ended_when_it_ends_and_not_when_it_is_told_to(server: Server, directory: Path) -> None:
    gate = directory / "gate"
    with server.connect() as connection:
        at_a_terminal(connection)
        connection.sendall(f"long stubborn {gate}\r".encode())
        server.wait_for_log("long: stubborn")
        connection.sendall(b"\x03")
        read_until(connection, b"*** long stubborn: cancelled, but it still runs; `jobs` lists it until it ends")
    assert "long stubborn" in server.ask("jobs")
    assert "already running" in server.ask(f"long stubborn {gate}")
    server.wait_for_log("long: not yet")
    gate.touch()
    wait_for(lambda: server.ask("jobs") == "", "the end of the method")


def test_a_second_cancel_is_another_exception(new: Server) -> None:
    with new.connect() as connection:
        connection.sendall(b"long deaf\n")
        new.wait_for_log("long: deaf")
        new.ask("cancel 1")
        new.wait_for_log("long: once")
        new.ask("cancel 1")
    wait_for(lambda: new.ask("jobs") == "", "the end of the method")


def test_the_managers_own_commands_are_jobs_too(server: Server) -> None:
    with server.connect() as connection:
        at_a_terminal(connection)
        connection.sendall(b"wait long stopped &\r")
        read_until(connection, b"wait: begun as job ")
        (job,) = json.loads(server.ask("jobs --json"))
        assert job["command"] == "wait"
        connection.sendall(f"cancel {job['id']}\r".encode())
        read_until(connection, b"*** wait: cancelled")
        connection.sendall(b"logs -f &\r")
        read_until(connection, b"*** this command goes on until you have seen enough, and cannot be detached\r\n")


def test_hidden_commands_and_aliases_are_for_those_who_know_them(calm: Server) -> None:
    assert calm.ask("long secret; trapdoor") == "found\nopen\n"
    assert "secret" not in calm.ask("long help")
    assert "trapdoor" not in calm.ask("help") + calm.ask("help -s")
    assert calm.ask("long ls a; long dir") == "a\nhere\n"
    assert "ls" not in calm.ask("long help").split()
    assert "also called: ls, dir" in calm.ask("help long list")
    assert calm.ask("help long ls").startswith("usage: long ls [where]\n\nalso called: list, dir\n")
    assert calm.ask("dir2 a; long dir2 b") == "a\nb\n"
    assert calm.ask("help dir2").startswith("usage: dir2 word\n\nalso called: top\n")
    assert "dir2" not in calm.ask("help") + calm.ask("help -s")
    assert [found["result"] for found in responses(calm, request("long.ls"), request("dir2", ["a"]))] == ["here", "a"]
    (document,) = responses(calm, request("rpc.discover"))
    methods = {method["name"] for method in document["result"]["methods"]}
    assert "long.list" in methods
    assert not {"long.secret", "trapdoor", "long.ls"} & methods


def test_progress_is_one_line_that_goes_and_scripts_see_nothing_of_it(server: Server, directory: Path) -> None:
    with server.connect() as connection:
        at_a_terminal(connection)
        connection.sendall(f"long far {directory}/gate\r".encode())
        shown = read_until(connection, b" 50% 50/100")
        assert b"\r[#####...............]  25% 25/100  " in shown
        (directory / "gate").touch()
        shown = read_until(connection, b"copied\r\n")
        assert b" left  copying\x1b[K\r" in shown
        assert b"] 100% 100/100  " in shown
        assert b"\r\x1b[Kcopied\r\n" in shown
    assert server.ask(f"long far {directory}/gate") == "copied\n"
    lines = server.ask(f"long far {directory}/gate --progress").splitlines()
    assert lines[0].startswith("[....................]   0% 0/100")
    assert lines[-1] == "copied"
    lines = server.ask(f"long far {directory}/gate --json --progress").splitlines()
    assert json.loads(lines[0]) == {"progress": {"done": 0, "total": 100, "text": "copying"}}
    assert json.loads(lines[-1]) == "copied"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("float('nan'), 10", "*** long odd: ValueError: Progress: done is nan, and should be a number\n"),
        ("None", "*** long odd: ValueError: Progress: done is None, and should be a number\n"),
        ("'x', 10", "*** long odd: ValueError: Progress: done is 'x', and should be a number\n"),
        ("1, 10, None", "fine\n"),
        ("__import__('decimal').Decimal(1), float('inf'), 5", "fine\n"),
    ],
)
def test_odd_progress_costs_its_command_and_no_other(calm: Server, given: str, answer: str) -> None:
    pid = calm.children()
    assert calm.ask(f'long odd "{given}"') == answer
    assert calm.children() == pid


def test_a_command_may_go_on_by_itself_and_its_end_is_announced(server: Server, directory: Path) -> None:
    with server.connect() as connection:
        at_a_terminal(connection)
        connection.sendall(f"long far {directory}/gate &\r".encode())
        read_until(connection, b"long far: begun as job ")
        connection.sendall(b"long sec")
        (directory / "gate").touch()
        read_until(connection, b"long far: done\r\n>long sec")
        connection.sendall(b"ret\r")
        read_until(connection, b"found\r\n")
    begun = server.ask("long single &")
    number = re.fullmatch(r"long single: begun as job (\d+)\n", begun)
    assert number
    assert f"{number[1]}\tlong single\t" in server.ask("jobs")
    assert "long single" in server.ask("jobs")  # whoever began it has gone
    (job,) = json.loads(server.ask("jobs --json"))
    server.ask(f"cancel {job['id']}")
    wait_for(lambda: server.ask("jobs") == "", "the end of the job")


def test_what_goes_on_by_itself_is_held_back_while_nobody_reads(new: Server) -> None:
    def is_held() -> bool:
        before = new.ask("long yielded")
        return (
            before != "0\n" and before == new.ask("wait long hung --timeout 0.1; long yielded").splitlines()[-1] + "\n"
        )

    with new.connect() as connection:
        at_a_terminal(connection)
        connection.sendall(b"long flood &\r")
        wait_for(is_held, "the flood to be held back")
        held = int(new.ask("long yielded"))
        connection.setblocking(True)
        while int(new.ask("long yielded")) == held:
            assert connection.recv(1024 * 1024)
        wait_for(is_held, "the flood to be held back again")
        reset(connection)
    assert len(json.loads(new.ask("jobs --json"))) == 1
    wait_for(lambda: not is_held(), "the flood to go on for nobody")
    new.ask("cancel 1")
    wait_for(lambda: new.ask("jobs") == "", "its end")


def test_watch_runs_a_command_again_and_again_until_ctrl_c(server: Server) -> None:
    with server.connect() as connection:
        at_a_terminal(connection)
        connection.sendall(b"watch -n 0.1 long ls a\r")
        for _ in range(3):
            read_until(connection, b"\x1b[H\x1b[2Jevery 0.1 s: long ls a\r\n\r\na\r\n")
        connection.sendall(b"\x03")
        read_until(connection, b">")
        connection.sendall(b"long ls b\r")
        read_until(connection, b"b\r\n")
    with server.connect() as connection:
        at_a_terminal(connection)
        connection.sendall(b"watch -n 0.05 long later\r")
        server.wait_for_log("long: later")
        connection.sendall(b"\x03")
        read_until(connection, b">")
        wait_for(lambda: server.ask("jobs") == "", "the end of the command")
        assert "not hung within 0.3 s" in server.ask("wait long hung --timeout 0.3")  # time for it to be run once more
        assert server.ask("jobs") == ""
        connection.sendall(b"long ls c\r")
        assert b"every 0.05 s" not in read_until(connection, b"\r\nc\r\n")
    with server.connect() as connection:
        at_a_terminal(connection)
        connection.sendall(b"watch long stuck\r")
        server.wait_for_log("long: stuck")
        connection.sendall(b"\x03")
        read_until(connection, b"*** long stuck: cancelled, but it still runs")
    with server.connect() as connection:
        connection.sendall(b"watch -n 0.05 long ls a --json\n")
        assert read_until(connection, b'"a"\n"a"\n') == b'"a"\n"a"\n'
    assert server.ask("watch").startswith(
        "*** watch: too few arguments: command missing; usage: watch [-n INTERVAL] command"
    )
    assert server.ask("watch -n 0 status").startswith("*** watch: interval is 0 s, and should be above 0")


USED = """
import time
from smanager import SService


class Used(SService):
    def cmd_slow(self, word=""):
        print("begun")
        while True:
            time.sleep(0.01)

    def cmd_quick(self):
        return "quick"

    def complete_slow(self, text, line, begidx, endidx):
        print("begun")
        time.sleep(20)  # in C, where no cancelling arrives

    async def cmd_in_loop(self):
        return "in the loop"
"""


@pytest.mark.parametrize(
    ("method", "params"), [("used.slow", []), ("shell.complete", {"line": "used slow x"})], ids=["calls", "Tab"]
)
def test_one_caller_leaves_workers_to_others(
    kept: Callable[..., Server], directory: Path, method: str, params: object
) -> None:
    server = kept('[listeners.other]\nunix = "other.sock"\n[listeners.main]\ntcp = "127.0.0.1:0"', used=USED)
    is_in(server, "used", "running")
    with contextlib.ExitStack() as connections:
        for _ in range(3):
            connection = connections.enter_context(server.connect())
            for number in range(64):
                connection.sendall(json.dumps(request(method, params, number)).encode() + b"\n")
        wait_for(lambda: server.log.count("used: begun\n") == MOST_WORKERS // 2, "the caller's share")
        path = str(directory / "other.sock")
        assert ask_unix(path, "used quick\n") == "quick\n"
        assert ask_unix(path, "used in_loop\n") == "in the loop\n"
    server.ask("restart used")


def test_detached_commands_are_counted_in_all_sessions_of_their_caller(kept: Callable[..., Server]) -> None:
    server = kept(used=USED)
    is_in(server, "used", "running")
    for _ in range(2):
        server.ask("used slow &\n" * (DETACHED_LIMIT // 2))
    assert server.ask("used slow &") == f"*** {DETACHED_LIMIT} of your commands run detached; `jobs` lists them\n"
