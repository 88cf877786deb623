"""Services that ask the manager: with their own roles or as their callers, and what ends what."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable

import pytest

from tests.conftest import Server, ask_unix, is_in, wait_for

ASKING = """
import asyncio
from smanager import SService
from smanager.service import command


class Web(SService):
    roles = ["view", "operate"]

    def run(self):
        for event in self.manager.events("other"):
            print("seen:", event["text"])
        print("no more events")

    def cmd_sum(self):
        return self.manager.call("other.add", 2, 3)

    async def cmd_async_sum(self):
        return await self.manager.call_async("other.add", a=2, b=3)

    def cmd_count(self, number: int):
        return sum(1 for item in self.manager.stream("other.count", number))

    async def cmd_async_count(self, number: int):
        return len([item async for item in self.manager.stream_async("other.count", number)])

    def cmd_first(self):
        return next(iter(self.manager.stream("other.forever")))

    def cmd_wrong(self):
        return self.manager.call("other.add", "two", 3)

    def cmd_failing(self):
        return self.manager.call("other.fail")

    def cmd_large(self):
        return len(self.manager.call("other.large"))

    def cmd_unsendable(self):
        return self.manager.call("other.add", object(), 3)

    def cmd_again(self):
        return self.manager.call("web.again")

    def cmd_wait(self):
        return self.manager.call("other.wait")

    @command(role="view")
    def cmd_stop_other(self):
        return list(self.manager.as_caller(self.caller).stream("stop", services=["other"]))

    @command(role="view")
    def cmd_as(self, name: str, method: str):
        return self.manager.acting_as(name).call(method)

    @command(role="view")
    def cmd_who(self):
        return self.manager.call("whoami")["from"], self.manager.as_caller(self.caller).call("whoami")["from"]
"""
OTHER = """
import asyncio
from smanager import SService


class Other(SService):
    def cmd_add(self, a: int, b: int):
        return a + b

    def cmd_count(self, number: int):
        for i in range(number):
            yield {"number": i, "text": 1000 * "x"}

    async def cmd_forever(self):
        while True:
            yield 1
            await asyncio.sleep(0.01)

    def cmd_fail(self):
        raise ValueError("no luck")

    def cmd_large(self):
        return 5_000_000 * "x"

    async def cmd_wait(self):
        await asyncio.sleep(1000)


class Poor(SService):
    def cmd_status(self):
        return self.manager.call("status")
"""
CONFIGURATION = """
[listeners.viewers]
unix = "viewers.sock"
roles = ["view"]

[services.web.roles_as]
adder = ["adding"]
nobody = []

[roles.adding]
allow = ["other.*"]
deny = ["other.fail"]
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    return shared(CONFIGURATION, web=ASKING, other=OTHER)


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("web sum", "5\n"),
        ("web async-sum", "5\n"),
        ("web count 2000", "2000\n"),
        ("web async-count 2000", "2000\n"),
        ("web first", "1\n"),
    ],
)
def test_results_and_streams_of_any_size_reach_the_service(server: Server, line: str, output: str) -> None:
    assert server.ask(line) == output
    wait_for(lambda: json.loads(server.ask("jobs --json"))[1:] == [], "the end of what was asked")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("web wrong", 'other.add: a is "two", and should be a whole number'),
        ("web failing", "other.fail: ValueError: no luck"),
        ("web large", "larger than 4194304 characters"),
        ("web unsendable", "other.add: parameters should be JSON: "),
        ("web again", "8 commands wait for one another; is there a cycle?"),
        ("poor status", 'status: poor may ask for nothing; give it roles, such as roles = ["view"] in [services.poor]'),
    ],
)
def test_an_error_is_one_clear_sentence(server: Server, line: str, error: str) -> None:
    output = server.ask(line)
    assert error in output
    assert output.count("\n") == 1


def test_the_journal_tells_which_service_asked_and_for_whom(server: Server) -> None:
    own, for_caller = server.ask("web who").splitlines()
    assert own == "service web"
    assert for_caller.startswith("service web for 127.0.0.1:")
    journal = (server.directory / "state" / "audit.jsonl").read_text().splitlines()
    asked = [line for line in map(json.loads, journal) if line.get("name") == "whoami"]
    assert {own, for_caller} <= {line["from"] for line in asked}


def test_who_acts_for_a_caller_may_do_what_the_caller_may(server: Server) -> None:
    path = str(server.directory / "viewers.sock")
    assert "unknown method stop" in ask_unix(path, "web stop-other\n")
    is_in(server, "other", "running")
    assert "other" in server.ask("web stop-other")
    is_in(server, "other", "stopped")
    assert server.ask("start other") == "other: running\n"


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("web as adder other.large", "larger than 4194304 characters"),
        ("web as adder other.fail", "unknown method other.fail"),
        ("web as adder status", "unknown method status"),
        (
            "web as nobody status",
            "web may ask for nothing as nobody; give it roles, such as roles_as = { nobody",
        ),
        ("web as admin status", 'roles_as = { admin = ["view"] } in [services.web]'),
    ],
)
def test_under_another_name_a_service_has_the_roles_of_that_name_and_no_others(
    server: Server, line: str, output: str
) -> None:
    assert output in server.ask(line)


def test_the_journal_tells_under_which_name_a_service_asked(server: Server) -> None:
    assert '"from": "service web as adder"' in server.ask("web as adder whoami --json")


def test_a_service_sees_events_until_it_is_stopped(reloaded: Callable[..., Server]) -> None:
    server = reloaded(web=ASKING, other=OTHER)
    server.ask("restart other")
    wait_for(lambda: "seen: running" in server.ask("logs web"), "the event")
    assert server.ask("stop web").startswith("web: stopped")
    assert "no more events" in server.ask("logs web")
    assert "Traceback" not in server.ask("logs web")


def waiting(server: Server) -> list[str]:
    """The commands that run, but for the stream of events that the service follows."""
    return [job["command"] for job in json.loads(server.ask("jobs --json")) if job["command"] != "events"]


@pytest.fixture
def asker(kept: Callable[..., Server]) -> tuple[Server, socket.socket]:
    """A manager whose service waits for another one's command, and the client for whom it does."""
    server = kept(web=ASKING, other=OTHER)
    client = server.connect()
    client.sendall(b"web wait\n")
    wait_for(lambda: "other.wait" in waiting(server), "the command that was asked for")
    return server, client


def test_a_service_that_is_stopped_answers_with_an_error(asker: tuple[Server, socket.socket]) -> None:
    server, client = asker
    server.ask("stop other")
    assert b"other.wait: stopped while it ran" in client.recv(4096)


@pytest.mark.parametrize("way", ["cancel", "stop", "kill"])
def test_what_was_asked_for_ends_with_its_asker(asker: tuple[Server, socket.socket], way: str) -> None:
    server, _ = asker
    if way == "cancel":
        (job,) = [job["id"] for job in json.loads(server.ask("jobs --json")) if job["command"] == "web wait"]
        server.ask(f"cancel {job}")
    elif way == "stop":
        server.ask("stop web")
    else:
        (web,) = [one["pid"] for one in json.loads(server.ask("status web --json"))]
        os.kill(web, signal.SIGKILL)
    wait_for(lambda: waiting(server) == [], "the end of the command that was asked for")
