"""Messages that say what to type instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Server, is_in
from tests.live.clients import Person

CONFIGURATION = """
[services.web]
program = ["sleep", "3600"]
[services.lost]
program = ["sleep", "3600"]
directory = "/no/such/place"
"""
BOX = '''
from smanager import Line, SService


class Box(SService):
    """A box"""

    def cmd_open(self, place, *others, deep: bool = False):
        """Opens it

        Args:
            place: where
        """
        return f"opened {place}"

    def cmd_echo(self, *words): return " ".join(words)
    def cmd_shut(self): return "shut"
    def cmd_say(self, text: Line): return text
    def cmd_own(self, *, help: bool = False): return f"own {help}"
    def toplevel_cmd_hello(self): return "hello"
'''


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    return shared(CONFIGURATION, box=BOX)


@pytest.mark.parametrize(
    ("line", "page"),
    [
        ("status --help", "help status"),
        ("status -h", "help status"),
        ("logs web --help", "help logs"),
        ("watch --help", "help watch"),
        ("broadcast -h", "help broadcast"),
        ("kill --help", "help kill"),
        ("help --help", "help help"),
        ("exit -h", "help exit"),
        ("box --help", "help box"),
        ("box open --help", "help box open"),
        ("box open here -h", "help box open"),
        ("box shut -h", "help box shut"),
        ("stop web --help", "help stop"),
        ("box say --help", "help box say"),
        ("hello --help", "help hello"),
    ],
)
def test_every_command_has_help_as_an_option(server: Server, line: str, page: str) -> None:
    shown = server.ask(page)
    assert "unknown" not in shown
    assert server.ask(line) == shown
    assert server.ask(line) == shown, "also the second time, when the meaning of the line is known"


def test_an_option_of_its_own_and_what_is_quoted_by_dashes_are_no_question(server: Server) -> None:
    assert server.ask("box own --help") == "own True\n"
    assert server.ask("box echo a -h") == "a -h\n"
    assert server.ask("box echo -- -h") == "-h\n"
    assert server.ask("box echo -h") == server.ask("help box echo")
    assert server.ask("box open -- --help") == "opened --help\n"
    assert server.ask("box say a --help") == "a --help\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("signal web", "signal: which signal? such as: signal web HUP"),
        ("signal HUP", "signal: which service? usage: signal SERVICE ..., or all"),
        ("signal web NONE", "signal: signal is 'NONE', and should be "),
        ("box hello", "opened"),
        ("box kill", "box has no command kill, but the top level has; inside box, `exit` first"),
        ("box web", "box has no command web, but the top level has; "),
        ("box nonsense", "box has no command nonsense; `box help` lists the commands"),
    ],
)
def test_a_message_says_what_is_missing_or_where_it_is(server: Server, line: str, message: str) -> None:
    if line == "box hello":
        assert server.ask(line) == "hello\n"
    else:
        assert server.ask(line).startswith(f"*** {message}")


def test_a_command_of_the_root_inside_a_service_says_how_to_get_there(server: Server) -> None:
    with server.connect() as connection:
        person = Person(connection)
        person.type("box", "box>")
        assert "but the top level has" in person.type("web", "box>")


def test_a_missing_directory_names_the_setting(server: Server) -> None:
    is_in(server, "lost", "backoff")
    assert "it cannot be started: the setting directory, /no/such/place: no such file or directory" in server.ask(
        "why lost"
    )


def test_the_command_of_a_stopped_service_says_how_to_start_it(server: Server) -> None:
    server.ask("stop box")
    assert server.ask("box shut").endswith("); `start box` starts it\n")
    server.ask("start box")
