"""Commands that show what happened, who did what, and what services use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.conftest import Server, is_in, read_until
from tests.live.clients import Person, request, responses, telnet

CONFIGURATION = """
[services.talker]
program = ["sh", "-c", "echo One; echo two; echo THREE; exec sleep 3600"]
[services.busy]
program = ["sh", "-c", "while :; do i=0; while [ $i -lt 2999 ]; do i=$((i + 1)); done; sleep 0.1; done"]
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    server = shared(CONFIGURATION)
    for name in ("talker", "busy"):
        is_in(server, name, "running")
    return server


def test_logs_and_events_are_found_by_time_and_text(server: Server) -> None:
    def texts(line: str) -> list[str]:
        return [text.partition(": ")[2] for text in server.ask(line).splitlines()]

    assert texts("logs talker --grep three") == ["THREE"]
    assert texts("logs talker --since 1h") == ["One", "two", "THREE"]
    assert texts("logs talker --since 1h -n 1") == ["THREE"]
    assert texts("logs talker --since 2000-01-01T00:00 --grep T") == ["two", "THREE"]
    assert texts("logs talker --since 2100-01-01T00:00") == []
    assert "running" in texts("events talker --since 1h --grep RUNNING")
    assert server.ask("logs --since soon").startswith("*** logs: since is 'soon', and should be a time span such as ")


def test_people_are_told_where_there_is_nothing(server: Server) -> None:
    with server.connect() as connection:
        person = Person(connection)
        for line, told in (
            ("jobs", "no commands run"),
            ("logs --grep nosuchtext", "no lines"),
            ("events -n 0", "no events"),
        ):
            assert person.type(line).startswith(f"{told}\n---")
    assert server.ask("jobs") == ""


def test_the_journal_can_be_read_by_time_and_user(server: Server) -> None:
    server.ask("nonsense")
    server.ask("services talker")
    lines = server.ask("audit").splitlines()
    assert re.match(r"\S+Z anonymous from 127\.0\.0\.1:\d+: refused name=nonsense reason=no such command$", lines[-3])
    assert re.search(r": command id=\d+ name=services arguments=.* seconds=[\d.]+ outcome=done$", lines[-2])
    assert "name=audit" in lines[-1]
    assert len(server.ask("audit -n 2").splitlines()) == 2
    assert server.ask("audit --user nobody") == ""
    assert server.ask("audit --since 2100-01-01") == ""
    entry = json.loads(server.ask("audit -n 1 --json"))
    assert set(entry) == {"when", "event", "user", "from", "facts"}


def test_a_script_gets_one_table_of_what_services_use_the_busiest_first(server: Server) -> None:
    heading, first, second = server.ask("top").splitlines()
    assert heading == "NAME\tSTATE\tPID\tCPU\tMEMORY"
    assert re.fullmatch(r"busy\trunning\t\d+\t[\d.]+%\t[\d.]+ MiB", first)
    assert re.fullmatch(r"talker\trunning\t\d+\t0\.0%\t[\d.]+ MiB", second)
    item, _ = responses(server, request("top", {"services": ["busy"]}))
    assert item["params"]["value"][0]["cpu"] > 0


@pytest.mark.parametrize("key", [b"q", b" ", b"\x03", b"\x1b[A"])
@pytest.mark.parametrize("command", [b"top -n 0.2", b"watch -n 0.2 status"])
def test_a_person_sees_it_in_place_until_a_key(server: Server, command: bytes, key: bytes) -> None:
    with telnet(server) as connection:
        connection.sendall(command + b"\r")
        for _ in range(2):
            assert b"busy" in read_until(connection, b"talker")
            read_until(connection, b"\x1b[H\x1b[2J")
        connection.sendall(key)
        assert read_until(connection, b"\n>").endswith(b"-\r\n>")
        connection.sendall(b"jobs\r")
        assert b"no commands run" in read_until(connection, b"\n>"), "the key is no part of the next line"


def test_the_state_is_followed_until_its_reader_has_seen_enough(server: Server) -> None:
    with telnet(server) as connection:
        connection.sendall(b"status -f talker\r")
        assert b"talker" in read_until(connection, b"MiB")
        connection.sendall(b"q")
        read_until(connection, b"\n>")
    with server.connect() as connection:
        connection.sendall(json.dumps(request("status", {"follow": True, "services": ["talker"]})).encode() + b"\n")
        lines = connection.makefile("rb")
        assert json.loads(lines.readline())["method"] == "$/endless"
        (status,) = json.loads(lines.readline())["params"]["value"]
        assert (status["name"], status["state"]) == ("talker", "running")
        cancel = {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}}
        connection.sendall(json.dumps(cancel).encode() + b"\n")
        assert json.loads(lines.readline())["id"] == 1
    assert "status" not in server.ask("runs"), "who looks has done nothing that is to be remembered"


def test_since_is_a_time_stamp_and_age_an_age(server: Server) -> None:
    (status,) = json.loads(server.ask("status talker --json"))
    assert status["since"] > 1.6e9
    assert 0 <= status["age"] < 3600
    (session,) = json.loads(server.ask("who --json"))
    assert session["since"] > 1.6e9
    assert 0 <= session["age"] < 60
