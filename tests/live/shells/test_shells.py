"""The shells as a person meets them: what they understand, what they refuse, and none of `cmd.Cmd`'s traps."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import SEED_SERVICE, Server, ask_unix, read_until, write_service
from tests.live.clients import SEPARATOR, Person

COUNTER = '''
from smanager import SService

class Tools(SService):
    name = "my_tools"
    def cmd_do_it(self): return "done"

class Counter(SService):
    """Counts how often it is asked"""
    name = "call-counter"
    calls = 0

    def cmd_count(self):
        """Returns the number of calls"""
        self.calls += 1
        return str(self.calls)

    def cmd_zero(self):
        self.calls = 0

    def cmd_fail(self):
        raise ValueError("as told")
'''


@pytest.fixture(scope="module")
def counter(shared: Callable[..., Server]) -> Server:
    return shared(systemstatus=SEED_SERVICE, counter=COUNTER)


@pytest.fixture
def counting(counter: Server) -> Server:
    """The counter at zero."""
    assert counter.ask("call-counter zero") == ""
    return counter


HOSTILE = """
import time
from smanager import SService


class Hostile(SService):
    def cmd_sleep(self):
        print("sleeping")
        time.sleep(1)
    def cmd_help(self): return "mine"
    def cmd_exit(self): return "no way out"
"""


@pytest.fixture(scope="module")
def hostile(shared: Callable[..., Server]) -> Server:
    return shared(systemstatus=SEED_SERVICE, hostile=HOSTILE)


@pytest.fixture
def person(counting: Server) -> Iterator[Person]:
    with counting.connect() as connection:
        yield Person(connection)


def answer(text: str) -> str:
    return text + SEPARATOR


def unknown(name: str, hint: str = "") -> str:
    return answer(f"*** unknown command: {name}; {hint}`help` lists the commands\n")


def test_an_empty_line_repeats_nothing(person: Person) -> None:
    assert person.type("call-counter count") == answer("1\n")
    assert person.type("") == ""
    assert person.type("   ") == ""
    assert person.type(";;") == ""
    assert person.type("call-counter count") == answer("2\n")


@pytest.mark.parametrize("line", ["EOF", "!ls", "! ls", "shell ls", "do_help", "__class__", "onecmd help"])
def test_words_that_mean_something_to_python_mean_nothing_here(person: Person, line: str) -> None:
    assert person.type(line).startswith(f"*** unknown command: {line.split()[0]}; ")
    assert person.type("hostname") == answer("mycomputerhostname\n")


def test_a_failing_command_does_not_end_the_session(person: Person) -> None:
    assert person.type("call-counter fail") == answer("*** call-counter fail: ValueError: as told\n")
    assert person.type("call-counter count") == answer("1\n")


def test_entering_a_service_makes_its_name_needless(person: Person) -> None:
    assert person.type("call-counter", "call-counter>") == ""
    assert person.type("count", "call-counter>") == answer("1\n")
    assert person.type("exit") == ""
    assert person.type("count") == unknown("count", "did you mean: call-counter count? ").replace("the c", "the\n    c")


def test_ctrl_d_goes_up_one_level(person: Person) -> None:
    person.type("call-counter", "call-counter>")
    assert person.type("\x04") == ""
    assert person.type("hostname") == answer("mycomputerhostname\n")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("sys up", answer(" 12:20:43 up 12 days, 14:36,  6 users,  load average: 0.28, 0.39, 0.46\n")),
        ("call co", answer("1\n")),
        ("ho", answer("mycomputerhostname\n")),
        ("h", answer("*** h could be: help, hostname\n")),
        ("sys h", answer("*** h could be: help, hostname\n")),
    ],
)
def test_a_person_may_abbreviate_where_it_is_unique(person: Person, line: str, shown: str) -> None:
    assert person.type(line) == shown


def test_nobody_ends_the_server_by_a_slip_of_the_finger(person: Person) -> None:
    assert person.type("k") == unknown("k", "did you mean: kick, kill? ")


def test_a_script_may_not_abbreviate(counting: Server) -> None:
    assert (
        counting.ask("sys uptime")
        == "*** unknown command: sys; did you mean: systemstatus? `help` lists the commands\n"
    )
    assert (
        counting.ask("systemstatus up")
        == "*** systemstatus has no command up; did you mean: uptime? `systemstatus help` lists the commands\n"
    )


@pytest.mark.parametrize(
    ("line", "first_line"),
    [
        ("help call-counter count", "usage: call-counter count"),
        ("call-counter help count", "usage: call-counter count"),
        ("help hostname", "usage: hostname"),
        ("help restart", "usage: restart [SERVICE ...]"),
        ("? hostname", "usage: hostname"),
        ("?", "-" * 50),
        ("help nonsense", "*** no help on nonsense; `help` lists the commands"),
        ("help call-counter nonsense", "*** call-counter has no command nonsense; nearest: "),
        ("help a b c", "*** help: too many arguments; usage: help [-s | service [command] | command]"),
        ("exit now", "*** exit: too many arguments; usage: exit"),
        ("services now", "*** unknown service now; known: "),
    ],
)
def test_help_and_built_ins_say_what_they_take(counting: Server, line: str, first_line: str) -> None:
    assert counting.ask(line).splitlines()[0].startswith(first_line)


def test_commands_between_semicolons_run_in_their_order_also_when_one_fails(counting: Server) -> None:
    line = "call-counter count; call-counter fail; call-counter count"
    assert counting.ask(line) == "1\n*** call-counter fail: ValueError: as told\n2\n"


def test_an_underscore_in_a_name_may_be_a_dash(counting: Server) -> None:
    assert counting.ask("my-tools do-it") == "done\n"
    assert counting.ask("status my-tools").splitlines()[1].startswith("my_tools\trunning")
    assert counting.ask("restart my-tools").count(": running\n") == 2


def test_services_that_come_and_go_are_seen_by_open_sessions(start: Callable[..., Server], services: Path) -> None:
    write_service(services, COUNTER, "counter.py")
    counting = start("--services", services)
    with counting.connect() as connection:
        person = Person(connection)
        person.type("call-counter", "call-counter>")
        (services / "counter.py").unlink()
        write_service(services, SEED_SERVICE.replace("SystemStatus", "Newcomer").replace("hostname", "hello"), "new.py")
        assert sorted(counting.ask("restart").splitlines()) == ["newcomer: running", "systemstatus: running"]
        person.type("")  # its service is gone, and so it is at the root again
        assert person.type("newcomer hello") == answer("mycomputerhello\n")
        assert person.type("call-counter count").startswith("*** unknown command: call-counter; ")


def test_the_shells_own_commands_cannot_be_taken(hostile: Server) -> None:
    assert "cmd_exit: exit is a command of every shell; choose another name\n" in hostile.ask("services")
    assert hostile.ask("hostile help").startswith("-" * 40 + "\nHostile\n")
    with hostile.connect() as connection:
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
        read_until(connection, b"\r\n>")
        connection.sendall(b"hostile exit\rhostile\r")  # nobody had entered it
        read_until(connection, b"hostile>")
        connection.sendall(b"exit\rhostname\r")
        read_until(connection, b"mycomputerhostname")


def test_lines_sent_before_a_half_close_are_all_run_for_a_person_too(hostile: Server) -> None:
    with hostile.connect() as connection:
        read_until(connection, b"\r\n>")
        connection.sendall(b"hostname\n" * 100)
        connection.shutdown(socket.SHUT_WR)
        shown = read_until(connection, b"press Enter\r\n")
    assert shown.count(b"mycomputerhostname") == 100


def test_ctrl_c_reaches_the_command_that_runs_though_lines_wait_behind_it(hostile: Server) -> None:
    with hostile.connect() as connection:
        read_until(connection, b"\r\n>")
        connection.sendall(b"hostile sleep\nhostname\n")
        hostile.wait_for_log("hostile: sleeping")
        connection.sendall(b"\xff\xf4\xff\xfd\x06")
        shown = read_until(connection, b"-\r\n>")
    assert b"*** hostile sleep: cancelled" in shown
    assert b"mycomputerhostname" not in shown


BOARD = """
from smanager import SService
from smanager.service import command


class Board(SService):
    @command(default=True, role="view")
    def cmd_show(self, *, wide: bool = False): return [{"train": "a", "wide": wide}]
    @command(default=True)
    def cmd_wipe(self): return "wiped"


class Closed(SService):
    @command(default=True, role="admin")
    def cmd_show(self): return "all"
    @command(role="view")
    def cmd_peek(self): return "some"
"""


def test_a_service_s_name_alone_runs_its_default_command_for_every_caller(shared: Callable[..., Server]) -> None:
    server = shared('[listeners.viewers]\nunix = "viewers.sock"\nroles = ["view"]', board=BOARD)
    viewers = str(server.directory / "viewers.sock")
    table = "train\twide\na\tFalse\n"
    assert (server.ask("board"), ask_unix(viewers, "board\n")) == (table, table)
    assert json.loads(server.ask("board --json")) == [{"train": "a", "wide": False}]
    assert server.ask("board show --wide") == "train\twide\na\tTrue\n"
    assert server.ask("board wipe") == "wiped\n"
    with server.connect() as connection:
        assert Person(connection).type("boa") == answer("train  wide\na      False\n")
    assert ask_unix(viewers, "closed\npeek\n") == "some\n"  # the name of a service whose default it may not run enters
    assert "cmd_wipe: show is the default command already; at most one may be" in server.ask("services")
