"""Limits and bad input: only the client that sends it notices."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.shells.interpreter import COMPLETED_LIMIT
from tests.conftest import SECONDS, SEED_SERVICE, Server, read_to_end, read_until, wait_for
from tests.live.checks import at_most_more_memory, memory, still_serves
from tests.live.clients import ACCEPT_OFFER, request, responses, telnet

FLOOD = """
    def cmd_flood(self):
        while True:
            yield "x" * 10_000

    def cmd_length(self, text: str):
        return len(text)

    def cmd_escape(self): return "\\x1b[2J\\x07\\u202e"
"""


@pytest.fixture(scope="module")
def hostile(shared: Callable[..., Server]) -> Server:
    return shared(systemstatus=SEED_SERVICE + FLOOD)


def test_random_bytes_split_anywhere_end_nothing_but_their_session(hostile: Server) -> None:
    chance = random.Random(20261123)
    with telnet(hostile) as neighbour:
        for _ in range(150):
            with hostile.connect() as connection, contextlib.suppress(ConnectionError):
                if chance.random() < 0.5:
                    connection.sendall(ACCEPT_OFFER)
                for _ in range(chance.randrange(1, 8)):
                    piece = chance.randbytes(chance.randrange(1, 300))
                    connection.sendall(piece.replace(b"kill", b"till").replace(b"restart", b"restore"))
        neighbour.sendall(b"hostname\r")
        assert b"mycomputerhostname" in read_until(neighbour, b"-\r\n>")
    still_serves(hostile)


def test_a_line_without_end_is_one_error_and_a_close(hostile: Server) -> None:
    answer = hostile.ask_bytes(b"x" * (64 * 1024 + 1))
    assert answer == b"*** a line of more than 65536 bytes; a command is shorter\n"
    assert hostile.ask_bytes(b"hostname " + b"x" * 1000).startswith(b"*** hostname: too many arguments")


def test_a_typed_line_past_its_limit_rings_and_stays(hostile: Server) -> None:
    with telnet(hostile) as connection:
        connection.sendall(b"x" * 5000)
        read_until(connection, b"\a")
        connection.sendall(b"\x15hostname\r")
        assert b"mycomputerhostname" in read_until(connection, b"-\r\n>")


def test_endless_subnegotiations_take_no_memory(hostile: Server) -> None:
    with telnet(hostile) as connection, at_most_more_memory(hostile, 1_000_000):
        connection.sendall(b"\xff\xfa\x18" + b"\xff\xff" * 1_500_000)
        connection.sendall(b"\xff\xf0hostname\r")
        assert b"mycomputerhostname" in read_until(connection, b"-\r\n>")


def test_a_flood_of_options_is_refused_once_each(hostile: Server) -> None:
    with telnet(hostile) as connection:
        connection.sendall(b"\xff\xfd\x63\xff\xfe\x63" * 50_000)
        connection.sendall(b"hostname\r")
        assert read_until(connection, b"-\r\n>").count(b"\xff\xfc\x63") == 1


def test_a_client_that_does_not_read_holds_its_command_back_and_nobody_else(hostile: Server) -> None:
    with hostile.connect() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = memory(hostile)
        lazy.sendall(b"systemstatus flood\n")
        for _ in range(20):
            still_serves(hostile)
        assert memory(hostile) - before < 16_000_000
        assert len(read_until(lazy, b"\n")) > 1000


def test_pages_nobody_reads_are_bounded(hostile: Server) -> None:
    with hostile.connect() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(1)
        before = memory(hostile)
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(200):
                lazy.sendall(b"help\n" * 10_000)
        assert memory(hostile) - before < 16_000_000
        still_serves(hostile)


def test_silent_connections_give_way_and_those_in_use_do_not(start: Callable[..., Server], services: Path) -> None:
    server = start("--services", services, "--max-sessions", "20")
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(40)]
        assert server.ask("hostname") == "mycomputerhostname\n"
        assert silent[0].recv(1000)[:1] in (b"", b"\xff")
        assert silent[0].recv(1000)[:1] in (b"", b"*")
        used = [stack.enter_context(server.connect()) for _ in range(20)]
        for connection in used:
            connection.sendall(ACCEPT_OFFER)
            read_until(connection, b"\r\n>")
        newcomer = stack.enter_context(server.connect())
        assert read_to_end(newcomer) == b"*** too many sessions, all of them in use; try again later\n"
        used[0].sendall(b"quit\r")
        read_to_end(used[0])
        used[0].close()
        assert server.ask("hostname") == "mycomputerhostname\n"


def test_a_thousand_silent_connections_leave_others_served(hostile: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(hostile.connect())
        still_serves(hostile)


def test_descriptors_are_raised_and_some_are_kept_in_reserve(services: Path, start: Callable[..., Server]) -> None:
    server = start("--services", services, "--max-sessions", "100000000")
    server.wait_for_log(r"max_sessions is 100000000; the limit on open files allows \d+ here")
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    soft, hard = limits.partition("Max open files")[2].split()[:2]
    assert soft == hard


def test_control_characters_are_escaped_for_a_terminal_and_raw_for_a_script(hostile: Server) -> None:
    assert hostile.ask_bytes(b"systemstatus escape") == "\x1b[2J\x07\u202e\n".encode()
    with telnet(hostile) as connection:
        connection.sendall(b"systemstatus escape\r")
        assert b"\\x1b[2J\\x07\\u202e\r\n" in read_until(connection, b"-\r\n>")


def test_a_reset_in_the_middle_of_output_is_nobodys_trouble(hostile: Server) -> None:
    for _ in range(20):
        with hostile.connect() as connection:
            connection.sendall(b"systemstatus flood\n")
            connection.recv(100)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    still_serves(hostile)


def test_many_lines_in_one_piece_are_all_answered(hostile: Server) -> None:
    answer = hostile.ask("systemstatus uptime\n")
    assert answer.startswith(" 12:20:43 up 12 days")
    assert hostile.ask("systemstatus uptime\n" * 1500) == answer * 1500


def test_idle_scripts_are_closed_and_memory_stays(hostile: Server) -> None:
    with hostile.connect() as connection:
        connection.settimeout(SECONDS)
        connection.sendall(b"hostname\n")
        assert read_to_end(connection) == b"mycomputerhostname\n"
    for _ in range(100):
        hostile.ask("hostname")
    before = memory(hostile)
    for _ in range(250):
        hostile.ask("hostname")
    assert memory(hostile) - before < 1_000_000
    wait_for(lambda: len(list(Path(f"/proc/{hostile.process.pid}/fd").iterdir())) < 30, "descriptors to be closed")


def test_a_flood_in_one_line_leaves_others_their_turns(hostile: Server) -> None:
    with hostile.connect() as connection:
        connection.sendall(b";help -s" * 8000 + b"\n")
        assert hostile.ask("hostname") == "mycomputerhostname\n"
        assert connection.recv(10).startswith(b"TOP:")


def test_names_and_patterns_of_one_command_are_bounded(hostile: Server) -> None:
    names, patterns = ["systemstatus"] * 1001, [f"*{number}*" for number in range(200)]
    many, wild, all_right = responses(
        hostile,
        request("status", {"services": names}),
        request("status", {"services": patterns}, 2),
        request("status", {"services": names[1:]}, 3),
    )
    assert many["error"]["message"] == "status: 1001 services' names; at most 1000"
    assert wild["error"]["message"].startswith("patterns of 890 characters; at most 500")
    assert [status["name"] for status in all_right["result"]] == ["systemstatus"]
    assert hostile.ask("services s*tem[a-z]tatu?") == "systemstatus  running\n"


def test_thousands_of_requests_that_end_at_once_are_answered(hostile: Server) -> None:
    answers = responses(hostile, *(request("whoami", [], number) for number in range(3000)))
    assert [answer["id"] for answer in answers] == [*range(3000)]


def test_bytes_that_grow_beyond_a_frame_end_no_service(hostile: Server) -> None:
    asked = b'{"jsonrpc":"2.0","id":1,"method":"systemstatus.length","params":["' + b"\x80" * 900_000 + b'"]}\n'
    error = json.loads(hostile.ask_bytes(asked))["error"]["message"]
    assert error.startswith("systemstatus.length: arguments of 54")
    assert error.endswith("; at most 4194304")
    assert hostile.ask("status systemstatus --json").count('"restarts": 0')


def test_a_line_of_a_program_is_as_long_as_anyone_elses(hostile: Server) -> None:
    (answer,) = responses(hostile, request("shell.execute", {"line": "help;" * 20_000}))
    assert answer["error"]["message"] == "a line of 100000 characters; at most 65536"
    for count in (20_000, COMPLETED_LIMIT // len("watch ")):
        (nested,) = responses(hostile, request("shell.complete", {"line": "watch " * count}))
        assert "status" not in nested["result"]["matches"] or count < 1000


def test_thousands_of_options_and_flags_in_a_line_cost_no_more_than_their_length(hostile: Server) -> None:
    assert hostile.ask("services" + " --json" * 9000 + "\n").startswith('{"services": ')
    assert "unknown option" in hostile.ask(f"logs -{'f' * 60_000}\n")[:100]


def test_of_all_lines_that_are_kept_a_caller_gets_as_many_as_of_one_service(kept: Callable[..., Server]) -> None:
    server = kept(
        "".join(
            f"[services.chatty-{number}]\nprogram = ['sh', '-c', 'seq 800; exec sleep 1000']\n" for number in range(3)
        )
    )
    wait_for(lambda: server.ask("logs -n 1").endswith(": 800\n") and server.find("\n.*: 800\n.*(?s:.)*: 800"), "lines")
    assert server.ask("logs -n 100000000").count("\n") == 1000
