"""What telnet clients send, on plain sockets, since the moment of each byte counts."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest

from tests.conftest import SEED_SERVICE, Server, read_to_end, read_until, wait_for, write_service
from tests.live.checks import memory, still_serves
from tests.live.clients import SEPARATOR, line_mode, telnet

UNWILLING = """
from smanager import SService


class Unwilling(SService):
    def start(self):
        import time
        print("refusing")
        time.sleep(0.3)
        raise OSError("no")
"""

IAC, DONT, DO, WONT, WILL, SB, SE = b"\xff", b"\xfe", b"\xfd", b"\xfc", b"\xfb", b"\xfa", b"\xf0"
EOF, AO, ERASE_CHARACTER, ERASE_LINE, ARE_YOU_THERE = b"\xec", b"\xf5", b"\xf7", b"\xf8", b"\xf6"
ECHO, SUPPRESS_GO_AHEAD, TERMINAL_TYPE, WINDOW_SIZE = b"\x01", b"\x03", b"\x18", b"\x1f"
TERMINAL_TYPE_SEND = IAC + SB + TERMINAL_TYPE + b"\x01" + IAC + SE
TERMINAL_IS_DUMB = IAC + SB + TERMINAL_TYPE + b"\x00dumb" + IAC + SE


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
        connection.sendall(IAC + WILL + TERMINAL_TYPE + TERMINAL_IS_DUMB + b"hostname\r\n")
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


def test_who_leaves_a_restart_that_fails_leaves_no_traceback(kept: Callable[..., Server]) -> None:
    server = kept(systemstatus=SEED_SERVICE)
    write_service(Path("services"), UNWILLING, "unwilling.py")
    with telnet(server) as connection:
        connection.sendall(b"restart\r")
        server.wait_for_log("refusing")
        connection.sendall(b"\x03")
        read_until(connection, b"*** restart: continues in the background\r\n")
    wait_for(
        lambda: "backoff (its start raised OSError: no; started again in " in server.ask("services"),
        "the restart to end",
    )
    assert not server.find("Task exception|CommandError")


def test_an_answer_that_comes_after_the_prompt_still_turns_the_session_into_telnet(server: Server) -> None:
    with server.connect() as connection:
        read_until(connection, b"\r\n>")
        connection.sendall(IAC + DO + ECHO + IAC + DO + SUPPRESS_GO_AHEAD)
        connection.sendall(b"sys\t")
        read_until(connection, b"systemstatus ")


def test_a_client_that_refuses_everything_gets_line_mode(server: Server) -> None:
    with server.connect() as connection:
        read_until(connection, IAC + DO + TERMINAL_TYPE)
        refusals = [DONT + ECHO, DONT + SUPPRESS_GO_AHEAD, WONT + WINDOW_SIZE, WONT + TERMINAL_TYPE]
        connection.sendall(b"".join(IAC + refusal for refusal in refusals))
        read_until(connection, b"\r\n>")
        connection.sendall(b"hostname\r\n")
        assert read_until(connection, b">") == f"mycomputerhostname\r\n{SEPARATOR.strip()}\r\n>".encode()


def test_a_dumb_terminal_is_given_its_line_editing_back(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(IAC + DO + ECHO + IAC + DO + SUPPRESS_GO_AHEAD + IAC + WILL + TERMINAL_TYPE)
        read_until(connection, TERMINAL_TYPE_SEND)
        connection.sendall(TERMINAL_IS_DUMB)
        read_until(connection, IAC + WONT + ECHO + IAC + WONT + SUPPRESS_GO_AHEAD)


# What is typed is what a command is given.


@pytest.mark.parametrize(
    "word",
    ["a\u00a0b", "\u3000", "\u202f", "\u200d\u200c", "\ue000", "\U0001fadd", "'at\u202f1 AM'", "'\u00a0'", "\u2028"],
    ids=ascii,
)
def test_a_person_and_a_script_give_the_same_word(server: Server, word: str) -> None:
    line = f"systemstatus say {word} {word} --".encode()
    given = server.ask_bytes(line)
    assert given.decode() == f"{word} {word}\n".replace("'", "")
    with telnet(server) as connection:
        connection.sendall(line + b"\r")
        read_until(connection, line + b"\r\n" + given.replace(b"\n", b"\r\n"))
        connection.sendall(b"\x1b[200~" + line + b"\x1b[201~\r")
        read_until(connection, line + b"\r\n" + given.replace(b"\n", b"\r\n"))


def test_a_large_paste_is_run_whole_and_in_order(server: Server) -> None:
    count = 500
    lines = [f"systemstatus say {number:05} {'x' * 300}" for number in range(count)]
    with telnet(server) as connection:
        paste = threading.Thread(
            target=connection.sendall, args=["\r".join(["systemstatus wait 0.5", *lines, ""]).encode()]
        )
        paste.start()
        shown = b""
        while shown.count(b"\r\n>") < count + 1:
            shown += connection.recv(100_000)
        paste.join()
    answers = re.findall(rb"^(\d{5}) x{300}\r$", shown, re.MULTILINE)
    assert [int(answer) for answer in answers] == list(range(count))
    assert b"\a" not in shown
    assert b"***" not in shown


def test_control_c_reaches_a_command_over_a_large_paste(server: Server) -> None:
    with telnet(server) as connection:
        connection.sendall(b"systemstatus wait 100\r" + b"x" * 70_000 + b"\x03")
        read_until(connection, b"cancelled")
        connection.sendall(b"hostname\r")
        read_until(connection, b"mycomputerhostname\r\n")


def test_a_line_taller_than_the_window_that_the_client_reports_scrolls_within_it(server: Server) -> None:
    screen = pyte.Screen(20, 4)
    stream = pyte.ByteStream(screen)
    digits = "".join(f"{number:03}." for number in range(50))
    with telnet(server) as connection:
        connection.sendall(IAC + SB + WINDOW_SIZE + bytes([0, 20, 0, 4]) + IAC + SE + digits.encode())
        while screen.display[:3] != [digits[159:179], digits[179:199], digits[199:].ljust(20)]:
            stream.feed(connection.recv(65536))
        connection.sendall(b"\x01!")
        while screen.display[:3] != [f">!{digits[:18]}", digits[18:38], digits[38:58]]:
            stream.feed(connection.recv(65536))


def test_a_command_is_not_ended_by_a_blank_that_separates_no_words(server: Server) -> None:
    for line in ("hostname\u00a0", "\u3000hostname", "systemstatus\u00a0say a"):
        assert server.ask(f"{line}\n").startswith(f"*** unknown command: {line.split(' ')[0]}; ")


def test_the_name_of_a_macos_screenshot_is_completed_and_pasted(kept: Callable[..., Server]) -> None:
    service = "from pathlib import Path\nfrom smanager import SService\n\nclass Shots(SService):\n"
    server = kept(shots=f"{service}    def cmd_show(self, file: Path): return file.read_text()\n")
    file = Path("Screenshot 2026-11-28 at 4.00.00\u202fAM.png")
    file.write_text("a picture")
    with telnet(server) as connection:
        connection.sendall(f"shots show {Path.cwd()}/Scr\t".encode())
        read_until(connection, f"'{file.absolute()}' ".encode())
        connection.sendall(b"\r")
        read_until(connection, b"\r\na picture\r\n")
        connection.sendall(f"shots show '{file.absolute()}'\r".encode())
        read_until(connection, b"\r\na picture\r\n")
