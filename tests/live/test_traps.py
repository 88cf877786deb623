"""Traps met with real clients, on plain sockets since the moment of each byte counts: what comes late, or never."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smanager.server import stall
from smanager.server.stall import StallWatch
from tests.conftest import SEED_SERVICE, Server, read_to_end, read_until, wait_for, write_service
from tests.live.test_limits import memory, still_serves, telnet

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

UNWILLING = """
from smanager import SService


class Unwilling(SService):
    def start(self):
        import time
        print("refusing")
        time.sleep(0.3)
        raise OSError("no")
"""

IAC, EOF, AO, ERASE_CHARACTER, ERASE_LINE, ARE_YOU_THERE = b"\xff", b"\xec", b"\xf5", b"\xf7", b"\xf8", b"\xf6"
TERMINAL_IS_DUMB = b"\xff\xfb\x18\xff\xfa\x18\x00dumb\xff\xf0"


@pytest.fixture
def server(start: Callable[..., Server], services: Path) -> Server:
    write_service(services, SEED_SERVICE + TRAPS)
    return start("--services", services)


@contextlib.contextmanager
def line_mode(server: Server) -> Iterator[socket.socket]:
    """A person's session on a raw connection, at its first prompt."""
    with server.connect() as connection:
        read_until(connection, b"\r\n>")
        yield connection


# Scripts.


def test_the_quiet_time_of_a_line_begins_anew_after_a_command(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"systemstatus wait 0.1\nsystemstatus say whole ")
        read_until(connection, b"waited\n")
        time.sleep(0.1)  # within the quiet time, which an older one must not cut short
        connection.sendall(b"line\n")
        assert read_until(connection, b"\n") == b"whole line\n"


def test_the_idle_time_begins_after_the_last_answer(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"systemstatus say a\n")
        read_until(connection, b"a\n")
        connection.sendall(b"systemstatus wait 1.2\n")
        read_until(connection, b"waited\n")
        time.sleep(0.2)  # far within a second, though more than one after the first answer
        connection.sendall(b"systemstatus say b\n")
        assert read_to_end(connection) == b"b\n"


def test_what_comes_behind_a_line_that_was_cut_by_time_is_not_run(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"systemstatus wait 0.5")
        server.wait_for_log("waiting")
        connection.sendall(b"\nsystemstatus say too late\n")
        assert read_to_end(connection) == b"waited\n"


def test_a_line_longer_than_a_segment_is_waited_for_longer(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"systemstatus say " + b"x" * 2000)
        time.sleep(0.5)  # a lost segment comes again
        connection.sendall(b" end\n")
        assert read_to_end(connection).endswith(b" end\n")


def test_a_script_slower_than_the_offer_is_still_a_script(server: Server) -> None:
    with server.connect() as connection:
        offer = read_until(connection, b"\x1b[K")
        connection.sendall(b"hostname\n")
        connection.shutdown(socket.SHUT_WR)
        assert offer.count(b"\xff") == 4
        assert read_to_end(connection) == b"mycomputerhostname\n"


def test_each_line_of_a_batch_has_the_same_limit(server: Server) -> None:
    answer = server.ask_bytes(b"hostname\nsystemstatus say " + b"x" * 100_000 + b"\nhostname\n")
    assert answer == b"mycomputerhostname\n*** a line of more than 65536 bytes; a command is shorter\n"


def test_a_reply_survives_input_that_is_not_read(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"systemstatus big 100000\nquit\n" + b"hostname\n" * 50_000)
        assert len(read_to_end(connection)) == 100_001


# Who hangs up.


def test_a_telnet_client_that_hangs_up_ends_a_silent_command(server: Server) -> None:
    with telnet(server) as connection:
        connection.sendall(b"systemstatus wait 3600\r")
        server.wait_for_log("waiting")
    server.wait_for_log("waited")


def test_text_before_the_opening_is_over_is_run_though_the_input_ends(server: Server) -> None:
    assert b"mycomputerhostname" in server.ask_bytes(b"\xff\xfb\x1fhostname\r\n")


def test_the_end_of_a_telnet_pipe_runs_what_was_typed_before(server: Server) -> None:
    with telnet(server) as connection:  # as plink does: no half-close, but IAC EOF, and no newline either
        connection.sendall(b"systemstatus wait 0.2\rhostname\rsystemstatus say last" + IAC + EOF)
        shown = read_to_end(connection)
    assert [shown.count(word) for word in (b"\nwaited\r", b"\nmycomputerhostname\r", b"\nlast\r")] == [1, 1, 1]


def test_the_end_of_a_raw_pipe_runs_what_was_typed_before(server: Server) -> None:
    with line_mode(server) as connection:
        connection.sendall(b"systemstatus wait 0.2\nhostname\nsystemstatus say last" + IAC + EOF)
        shown = read_to_end(connection)
    assert [shown.count(word) for word in (b"waited\r", b"mycomputerhostname\r", b"last\r")] == [1, 1, 1]


# What comes in the same piece as something else.


def test_a_line_behind_the_terminals_name_is_run(server: Server) -> None:
    with telnet(server) as connection:
        connection.sendall(TERMINAL_IS_DUMB + b"hostname\r\n")
        read_until(connection, b"mycomputerhostname\r\n")


def test_a_line_behind_a_refusal_is_answered_after_the_banner(server: Server) -> None:
    with server.connect() as connection:
        read_until(connection, b"\x1b[K")
        connection.sendall(b"\xff\xfe\x01\xff\xfe\x03hostname\r\n")
        assert b"Available Services:" in read_until(connection, b"mycomputerhostname\r\n")


def test_urgent_data_stays_in_the_stream(server: Server) -> None:
    with telnet(server) as connection:
        connection.sendall(b"host")
        connection.send(b"\xff", socket.MSG_OOB)  # as netkit's `send synch` cuts its IAC DM
        connection.sendall(b"\xf2name\r")
        read_until(connection, b"\r\nmycomputerhostname\r\n")


def test_a_raw_line_is_edited_by_telnets_own_commands(server: Server) -> None:
    with line_mode(server) as connection:
        connection.sendall(
            b"garbage" + IAC + ERASE_LINE + "hostnameé".encode() + IAC + ERASE_CHARACTER + IAC + AO + b"\n"
        )
        assert read_until(connection, b"-\r\n").startswith(b"mycomputerhostname\r\n")


# Another protocol.


@pytest.mark.parametrize(
    "greeting",
    [
        b"POST / HTTP/1.1\r\nHost: localhost:10000\r\n\r\nsystemstatus say pwned\r\n",
        b"Host: localhost\r\nsystemstatus say pwned\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\nsystemstatus say pwned\r\n",
    ],
    ids=["HTTP", "a header", "TLS"],
)
def test_another_protocol_is_closed_also_where_it_comes_late(server: Server, greeting: bytes) -> None:
    with line_mode(server) as connection, contextlib.suppress(ConnectionResetError):
        connection.sendall(greeting)
        assert read_to_end(connection) == b""
    server.wait_for_log("closed: the client speaks (HTTP|TLS)")


# What waits.


def test_a_flood_of_questions_over_a_long_line_takes_no_memory(server: Server) -> None:
    with telnet(server) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"x" * 4090)
        read_until(connection, b"x" * 50)
        before = memory(server)
        connection.sendall((IAC + ARE_YOU_THERE + b"x\x7f") * 50_000)
        still_serves(server)
        assert memory(server) - before < 40_000_000


def test_callers_that_do_not_read_take_no_places_from_others(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(70):
            lazy = stack.enter_context(socket.socket())
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.connect((server.host, server.port))
            lazy.sendall(b"systemstatus big 6000000\n")
            lazy.recv(1)
        assert server.ask("systemstatus say alive") == "alive\n"


def test_a_program_that_reads_gets_all_of_many_large_replies(server: Server) -> None:
    request = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": {"line": "systemstatus big 1000000"}}
    )
    with server.connect() as connection:
        connection.sendall(f"{request}\n".encode() * 40)
        replies = connection.makefile("rb")
        assert [len(json.loads(replies.readline())["result"]["output"]) for _ in range(40)] == [1_000_001] * 40


def test_a_program_that_does_not_read_is_held_back(server: Server) -> None:
    request = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": {"line": "systemstatus big 8000000"}}
    )
    with server.connect() as connection:
        before = memory(server)
        connection.sendall(f"{request}\n".encode() * 60)
        for _ in range(50):
            still_serves(server)
        assert memory(server) - before < 150_000_000
        replies = connection.makefile("rb")
        assert len(replies.readline()) > 8_000_000


@pytest.mark.parametrize("reads", [True, False])
def test_who_reads_slowly_is_not_given_up(monkeypatch: pytest.MonkeyPatch, reads: bool) -> None:
    monkeypatch.setattr(stall, "STALL_SECONDS", 0.4)

    async def converse() -> bool:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        given_up = asyncio.Event()
        sent = 4_000_000
        transport.write(b"x" * sent)
        watch = StallWatch(transport, lambda: sent, given_up.set)
        watch.begin()
        for _ in range(60):
            if reads:
                theirs.recv(50_000)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(given_up.wait(), 0.02)
        watch.end()
        transport.abort()
        theirs.close()
        return given_up.is_set()

    assert asyncio.run(converse()) is not reads


def test_a_burst_of_connections_takes_no_descriptor_from_the_reserve(
    start: Callable[..., Server], services: Path
) -> None:
    server = start("--services", services, "--max-sessions", "350")
    # As after `ulimit -n 512`: its own limit stands at the start, and what it has in reserve is the same.
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (512, 512))
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex((server.host, server.port))
        still_serves(server)
        assert not server.find("out of system resource")


# What comes above or into a line that is being typed.


def test_a_programs_answer_goes_above_the_line_that_is_typed(server: Server) -> None:
    request = b'{"jsonrpc":"2.0","id":1,"method":"shell.execute","params":{"line":"systemstatus wait 0.3"}}'
    with telnet(server) as connection:
        connection.sendall(request + b"\rhostn")
        shown = b""
        while not re.search(rb'\r\x1b\[J\{.*"status": 0\}\}\r\n>hostn$', shown):
            shown += connection.recv(1000)
        connection.sendall(b"ame\r")
        read_until(connection, b"mycomputerhostname\r\n")


def test_a_late_answer_to_tab_goes_into_no_other_line(server: Server) -> None:
    with telnet(server) as connection:
        connection.sendall(b"systemstatus say abc\t")
        time.sleep(0.1)
        connection.sendall(b"\x03systemstatus say q\t")
        assert b"answer-to-abc" not in read_until(connection, b"answer-to-q")


def test_a_question_mark_needs_no_blank_before_its_topic(server: Server) -> None:
    with telnet(server) as connection:
        connection.sendall(b"?syst\t")
        read_until(connection, b"?systemstatus ")


def test_who_leaves_a_restart_that_fails_leaves_no_traceback(server: Server, services: Path) -> None:
    write_service(services, UNWILLING, "unwilling.py")
    with telnet(server) as connection:
        connection.sendall(b"restart\r")
        server.wait_for_log("refusing")
        connection.sendall(b"\x03")
        read_until(connection, b"*** restart: goes on without you\r\n")
    wait_for(
        lambda: "backoff (its start raised OSError: no; started again in " in server.ask("services"),
        "the restart to end",
    )
    assert not server.find("Task exception|CommandError")


def test_a_client_that_resets_while_it_is_written_to_leaves_no_traceback(server: Server) -> None:
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(b"systemstatus big 1000000\nhostname\n")
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    still_serves(server)
    assert not server.find("socket.send")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
