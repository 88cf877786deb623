"""Alerts in the running program: what is told of real services, once, and who may see what of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.alerts.receivers import HttpReceiver
from tests.conftest import Server, ask_unix, is_in, wait_for

ODD = """
from typing import Any
from smanager import SService


class Odd(SService):
    def cmd_report(self, kind, text, about="", over=None):
        self.event(kind, text, about=about, over={"begin": False, "end": True}.get(over))

    def cmd_mistake(self, over: Any):
        self.event("odd", "x" * 5_000_000, over=over)

    def cmd_talk(self):
        self.event("odd " + 5_000_000 * "x", 5_000_000 * "x")

    def cmd_flood(self, count: int):
        for number in range(count):
            self.event("flood", str(number))
"""

CONFIGURATION = """
[listeners.viewers]
unix = "viewers.sock"
roles = ["view"]

[listeners.some]
unix = "some.sock"
roles = ["view", "without-sick"]

[roles.without-sick]
deny = ["* sick", "sick.*"]

[services.web]
program = ["sh", "-c", "echo out of luck; test -e luck && exec sleep 1000; exit 3"]
directory = "."
give_up_after = 3

[services.sick]
program = ["false"]
give_up_after = 1
enabled = false

[services.db]
program = ["sh", "-c", "sleep 0.2; exit 1"]
longest_backoff = 0.1

[schedules.nightly]
run = "odd report; odd flood 0"
at = "02:30"

[alerts.oncall]
on = ["failed", "restarted more than 2 times in 10m", "schedule failed", "reported queue*", "recovered"]
services = ["web", "schedules", "odd"]
webhook = { url = "http://127.0.0.1:PORT/oncall", headers = { Authorization = "Bearer s3cret" } }
quiet = "1s"

[alerts.flapping]
on = ["restarted more than 2 times in 10m"]
services = ["db"]
command = ["sh", "-c", "cat >> flapping; echo >> flapping"]

[alerts.dead]
on = ["failed", "alert failed"]
services = ["sick", "alerts"]
webhook = { url = "http://127.0.0.1:PORT/refused", headers = { Authorization = "Bearer s3cret" } }

[alerts.dead-too]
on = ["alert failed", "reported *"]
services = ["alerts"]
command = ["false"]
retry = "1s"
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server], receiver: HttpReceiver) -> Server:
    return shared(CONFIGURATION.replace("PORT", str(receiver.port)), odd=ODD)


def received(receiver: HttpReceiver, wanted: str) -> dict[str, Any]:
    """The message whose summary, without the host, begins so, once it has come."""

    def found() -> list[dict[str, Any]]:
        return [one for one in messages(receiver) if one["summary"].partition("] ")[2].startswith(wanted)]

    wait_for(found, lambda: f"{wanted} among {[one['summary'] for one in messages(receiver)]}")
    return found()[0]


def messages(receiver: HttpReceiver) -> list[dict[str, Any]]:
    return [request.json for request in list(receiver.requests)]


def events(server: Server, service: str = "") -> list[dict[str, Any]]:
    return list(json.loads(server.ask(f"events {service} --count 1000 --json")))


def alerts(server: Server) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(server.ask("alerts --json"))}


def test_a_service_that_fails_is_told_of_with_why_and_again_once_it_is_well(
    server: Server, receiver: HttpReceiver
) -> None:
    message = received(receiver, "web failed: exit status 3; given up after 3 early ends in a row")
    assert "web is failed" in message["text"]
    assert "out of luck" in message["why"]
    assert (message["alert"], message["status"], message["service"]) == ("oncall", "firing", "web")
    wait_for(lambda: alerts(server)["oncall"]["last"], "its delivery")
    last = alerts(server)["oncall"]["last"]
    server.ask("restart alerts")
    oncall = alerts(server)["oncall"]
    assert (oncall["open"] >= 1, oncall["last"] >= last) == (True, True)
    (server.directory / "luck").touch()
    server.ask("start web")
    over = received(receiver, "web recovered, after ")
    assert over["status"] == "resolved"
    is_in(server, "alerts", "running")
    told = [one["kind"] for one in messages(receiver) if one["service"] == "web" and one["alert"] == "oncall"]
    assert told.count("failed") == told.count("recovered") == 1


def test_a_service_that_falls_again_and_again_is_told_of_once(server: Server) -> None:
    file = server.directory / "flapping"
    wait_for(file.exists, "the message")
    before = json.loads(server.ask("status db --json"))[0]["restarts"]
    wait_for(lambda: json.loads(server.ask("status db --json"))[0]["restarts"] > before + 3, "more restarts")
    (message,) = map(json.loads, file.read_text().splitlines())
    told = r"db restarted more than 2 times in 10m \(\d+ times\)"
    assert re.search(told, message["summary"])
    server.ask("stop db")


def test_a_schedule_that_fails_is_told_of_and_so_is_its_next_success(server: Server, receiver: HttpReceiver) -> None:
    for _ in range(2):
        server.ask("schedules run nightly")
    message = received(receiver, "schedules nightly schedule failed")
    assert message["about"] == "nightly"
    (last, *_) = [one for one in events(server, "schedules") if one["kind"] == "schedule failed"]
    assert (last["about"], last["over"]) == ("nightly", False)
    assert "schedules: schedule failed: nightly: failed: " in server.ask("events schedules")


def test_a_service_reports_events_of_its_own(server: Server, receiver: HttpReceiver) -> None:
    server.ask(
        "odd report 'queue full' '1000 orders wait' --about orders --over begin".replace("--about ", "").replace(
            "--over ", ""
        )
    )
    received(receiver, "odd orders queue full: 1000 orders wait")
    server.ask("odd report 'queue full' 'all is done' orders end")
    assert "odd: queue full is over: orders: all is done\n" in server.ask("events odd")
    received(receiver, "odd orders recovered, after 1 event")
    assert server.ask("odd report failed x").startswith("*** odd report: ValueError: kind is 'failed', and should be ")
    for wrong in ("5", '"yes"'):
        assert "over is " in server.ask(f"odd mistake {wrong}")
    assert server.ask("odd mistake null") == ""
    assert server.ask("odd report ' login  blocked' x").startswith("*** odd report: ValueError: kind is ")
    assert server.ask("odd report ' ' x").startswith("*** odd report: ValueError: kind is ' '")
    server.ask("odd talk")
    assert len(events(server, "odd")[-1]["text"]) == 1000


def test_a_flood_of_events_is_cut(server: Server) -> None:
    server.ask("odd flood 5000")
    assert 50 <= sum(one["kind"] == "flood" for one in events(server, "odd")) <= 100


def test_what_cannot_be_delivered_is_an_event_that_leads_to_no_other_for_ever(
    server: Server, receiver: HttpReceiver
) -> None:
    server.ask("start sick")

    def kinds() -> list[tuple[str, str]]:
        return [(one["kind"], one["about"]) for one in events(server, "alerts") if one["about"]]

    wait_for(lambda: ("alert lost", "dead-too") in kinds(), lambda: str(kinds()))
    assert ("alert failed", "dead") in kinds()
    before = kinds()
    assert server.ask("alerts test dead-too") == "*** alerts test: dead-too: false: exit status 1\n"
    assert kinds() == before
    assert alerts(server)["dead"]["problem"] == "127.0.0.1 answered 403 Forbidden"
    assert alerts(server)["dead"]["state"] == "failing"
    for text in (
        server.log,
        server.ask("logs all --count 1000"),
        server.ask("events --count 1000"),
        server.ask("why alerts"),
    ):
        assert "s3cret" not in text
    for file in (server.directory / "state").rglob("*"):
        assert not file.is_file() or b"s3cret" not in file.read_bytes(), file


def test_a_test_says_whether_it_has_arrived(server: Server, receiver: HttpReceiver) -> None:
    receiver.answers = [(200, {})]
    assert server.ask("alerts test oncall") == "oncall: delivered\n"
    assert messages(receiver)[-1]["kind"] == "test"
    receiver.answers = [(500, {})]
    assert server.ask("alerts test oncall") == "*** alerts test: oncall: 127.0.0.1 answered 500 Internal Server Error\n"
    assert server.ask("alerts test oncal") == "*** alerts test: there is no alert oncal; did you mean oncall?\n"
    receiver.answers = [(200, {})]


def test_who_may_only_look_may_do_no_more_and_sees_no_service_that_is_hidden(server: Server) -> None:
    sockets = {name: str(server.directory / f"{name}.sock") for name in ("viewers", "some")}
    assert ask_unix(sockets["viewers"], "alerts test oncall\n").startswith("*** alerts has no command test")
    server.ask("start sick")
    wait_for(lambda: "sick" in ask_unix(sockets["viewers"], "alerts show dead\n"), "the incident")
    assert "sick" not in ask_unix(sockets["some"], "alerts show dead\n")
    counts = {name: json.loads(ask_unix(socket, "alerts --json\n")) for name, socket in sockets.items()}
    open_ = {name: {one["name"]: one["open"] for one in listed} for name, listed in counts.items()}
    assert open_["some"]["dead"] == open_["viewers"]["dead"] - 1
