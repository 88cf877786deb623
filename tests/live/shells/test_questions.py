"""What a person is asked before a command that would do much."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Server, read_until
from tests.live.clients import SEPARATOR, Person, telnet
from tests.live.samples import SERVICES

QUESTION = "restart 2 services? [y/N] "


@pytest.fixture(scope="module")
def two(shared: Callable[..., Server]) -> Server:
    return shared(steady=SERVICES)


def pids(server: Server) -> str:
    return server.ask("steady pid; neighbour pid")


@pytest.mark.parametrize("answer", ["", "n", "no", "status", "yes please", "restart"])
def test_a_person_who_does_not_say_yes_restarts_nothing(two: Server, answer: str) -> None:
    before = pids(two)
    with two.connect() as connection:
        person = Person(connection)
        assert person.type("restart", QUESTION) == ""
        assert person.type(answer) == f"nothing was done\n{SEPARATOR}"
        assert person.type("steady greeting") == f"hello from steady\n{SEPARATOR}"
    assert pids(two) == before


@pytest.mark.parametrize("answer", ["y", "Y", " yes "])
def test_a_person_who_says_yes_restarts_everything_and_goes_on_with_the_line(two: Server, answer: str) -> None:
    before = pids(two)
    with two.connect() as connection:
        person = Person(connection)
        person.type("restart; steady greeting", QUESTION)
        restarted, greeted, rest = person.type(answer).split(SEPARATOR)
        assert sorted(restarted.splitlines()) == ["neighbour: running", "steady: running"]
        assert (greeted, rest) == ("hello from steady\n", "")
    assert set(pids(two).split()).isdisjoint(before.split())


def test_a_script_and_a_person_who_restarts_one_service_are_not_asked(two: Server) -> None:
    assert sorted(two.ask("restart").splitlines()) == ["neighbour: running", "steady: running"]
    with two.connect() as connection:
        person = Person(connection)
        assert "steady: running\n" in person.type("restart steady")
        person.type("steady", "steady>")
        assert "steady: running\n" in person.type("restart", "steady>")


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_key_that_leaves_is_a_no(two: Server, key: bytes) -> None:
    before = pids(two)
    with telnet(two) as connection:
        connection.sendall(b"restart\r")
        read_until(connection, QUESTION.encode())
        connection.sendall(b"sta\t" + key if key == b"\x03" else key)  # Tab completes no command in an answer
        assert b"start" not in read_until(connection, b"\n>")
        connection.sendall(b"steady greeting\r")
        read_until(connection, b"hello from steady")
    assert pids(two) == before


def test_one_service_alone_is_restarted_without_a_question(seed_server: Server) -> None:
    with seed_server.connect() as connection:
        assert Person(connection).type("restart") == f"systemstatus: running\n{SEPARATOR}"
