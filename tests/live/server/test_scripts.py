"""Scripts whose bytes come late, in pieces, or never."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tests.conftest import Server, read_to_end, read_until


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


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (b"systemstatus say a\rsystemstatus say b\r", b"a\nb\n"),
        (b"systemstatus say a\r\0systemstatus say b\r\n", b"a\nb\n"),
        (b"\xef\xbb\xbfhostname\n", b"mycomputerhostname\n"),
        (b"\xef\xbb\xbf# a comment\r\n  # another; hostname\r\nhostname\r\n", b"mycomputerhostname\n"),
        (b"# nothing else\n", b""),
    ],
)
def test_the_marks_that_editors_leave_in_a_script_change_nothing(server: Server, script: bytes, answer: bytes) -> None:
    assert server.ask_bytes(script) == answer
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in script:
            connection.sendall(bytes([byte]))
        connection.shutdown(socket.SHUT_WR)
        assert read_to_end(connection) == answer


@pytest.mark.parametrize("before", ["", "\ufeff", " ", "\t", "\ufeff  "])
def test_a_request_may_have_blanks_or_a_mark_before_it(server: Server, before: str) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": ["systemstatus say a"]}
    [answer] = server.ask(before + json.dumps(request) + "\n").splitlines()
    assert json.loads(answer)["result"] == {"output": "a\n", "status": 0}


def test_pretty_printed_requests_run_nothing(server: Server) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": ["systemstatus say a"]}
    [answer] = server.ask(json.dumps([request, request], indent=2)).splitlines()
    message = "not JSON: a request should be one line, and this one goes on"
    assert json.loads(answer)["error"]["message"] == message
