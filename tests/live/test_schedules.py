"""Schedules in the running program: what runs by itself and by hand, whose permissions it has, and what is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, ask_unix, wait_for
from tests.live.clients import smanager

WORKER = """
import asyncio
from smanager import SService
from smanager.service import command


class Worker(SService):
    count = 0

    def cmd_work(self):
        self.count += 1
        print("worked")
        return "done"

    def cmd_count(self): return str(self.count)
    def cmd_fail(self): raise ValueError("no luck")
    async def cmd_nap(self, seconds: float = 1000): await asyncio.sleep(seconds)
    def cmd_flood(self):
        for number in range(20): yield 500_000 * "x"
    @command(role="admin")
    def cmd_wipe(self): return "wiped"
"""
CONFIGURATION = """
[listeners.viewers]
unix = "viewers.sock"
roles = ["view"]

[schedules.tick]
run = "worker work; worker work"
every = "1s"

[schedules.night]
run = "worker work"
cron = "30 2 * * 1-5"
timezone = "Europe/Berlin"

[schedules.failing]
run = "worker fail"
at = "02:30"

[schedules.looking]
run = "stop worker"
at = "02:30"
roles = ["view"]

[schedules.wiping]
run = "worker wipe"
at = "02:30"
enabled = false
roles = ["admin"]

[schedules.careful]
run = "worker fail"
at = "02:30"
roles = ["operate", "without-failing"]

[schedules.flooding]
run = "worker flood"
at = "02:30"

[schedules.lasting]
run = "worker nap"
every = "1s"
timeout = "1.5s"

[schedules.skipping]
run = "worker nap"
every = "1s"

[schedules.killing]
run = "worker nap"
every = "1s"
overlap = "kill"

[schedules.queueing]
run = "worker nap 1.5; worker work"
every = "1s"
overlap = "queue"

[roles.without-failing]
deny = ["worker.fail"]
"""


def schedules(server: Server) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(server.ask("schedules --json"))}


def outcome(server: Server, name: str, wanted: str) -> dict[str, Any]:
    """A schedule, once its last run has had this outcome."""
    found: dict[str, Any] = {}

    def is_there() -> bool:
        found.update(schedules(server)[name])
        return bool(found["outcome"] == wanted)

    wait_for(is_there, lambda: f"{wanted}: {found}")
    return found


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    return shared(CONFIGURATION, worker=WORKER)


def test_a_schedule_runs_its_line_again_and_again(server: Server) -> None:
    tick = outcome(server, "tick", "done")
    assert (tick["state"], json.loads(server.ask("schedules show tick --json"))["when"]) == ("waiting", "every 1s")
    assert tick["last"] <= tick["next"]
    wait_for(lambda: int(server.ask("worker count")) >= 4, "more runs")


def test_the_name_alone_shows_what_is_due_and_how_it_went_also_to_who_may_only_look(server: Server) -> None:
    server.ask("schedules run failing")
    viewers = str(server.directory / "viewers.sock")
    whole, part = "failed: worker fail: ValueError: no luck", "failed"
    for table, wanted in ((server.ask("schedules"), whole), (ask_unix(viewers, "schedules\n"), part)):
        rows = {row.split("\t")[0]: row.split("\t") for row in table.splitlines()}
        assert rows["name"] == ["name", "state", "next", "last", "outcome", "run"]
        assert rows["failing"][4] == wanted
        assert rows["night"][1] == "waiting"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", rows["night"][2])
        assert rows["wiping"][1:3] == ["disabled", ""]
    night = ask_unix(viewers, "schedules show night\n").splitlines()
    assert night[:3] == ["name     night", "when     cron 30 2 * * 1-5 Europe/Berlin", "state    waiting"]
    assert re.fullmatch(r"next     \d{4}-\d\d-\d\d 02:30:00\+0[12]:00", night[3])


@pytest.mark.parametrize("line", ["schedules run night", "schedules pause night", "schedules resume night"])
def test_who_may_only_look_may_do_no_more(server: Server, line: str) -> None:
    assert ask_unix(str(server.directory / "viewers.sock"), f"{line}\n").startswith("*** schedules has no command")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("night", "night: done\n"),
        ("wiping", "wiping: done\n"),
        ("flooding", "flooding: done\n"),
        ("looking", "*** schedules run: looking: failed: unknown command: stop; did you mean: top? `help` lists the "),
        ("looking", "commands (its role is view)\n"),
        ("careful", "*** schedules run: careful: failed: worker has no command fail; "),
        ("careful", " (its roles are operate and without-failing)\n"),
        ("nigth", "*** schedules run: there is no schedule nigth; did you mean night?\n"),
        ("x", "*** schedules run: there is no schedule x; there are: careful, failing, "),
    ],
)
def test_a_run_by_hand_has_the_permissions_of_the_schedule(server: Server, name: str, answer: str) -> None:
    assert answer in server.ask(f"schedules run {name}")
    assert "Traceback" not in server.ask("logs schedules")


def test_a_run_of_a_schedule_is_kept_with_its_output(server: Server) -> None:
    server.ask("schedules run night; schedules run failing")
    found = schedules(server)
    assert server.ask(f"output {found['night']['run']}") == "done\n"
    assert found["night"]["run"] != found["failing"]["run"]
    (run,) = [
        run for run in json.loads(server.ask("runs worker.work --json")) if str(run["id"]) == found["night"]["run"]
    ]
    assert "service schedules as night" in str(run)


def test_the_journal_tells_which_schedule_a_command_is_from(server: Server) -> None:
    server.ask("schedules run night")
    journal = [json.loads(line) for line in (server.directory / "state" / "audit.jsonl").read_text().splitlines()]
    assert "service schedules as night" in {line["from"] for line in journal if line.get("name") == "worker work"}


def test_a_run_that_takes_too_long_is_ended(server: Server) -> None:
    assert server.ask("schedules run lasting") in (
        "*** schedules run: lasting: ended by its timeout, 1.5 s\n",
        "*** schedules run: lasting: left out, because the run before it goes on\n",
    )
    lasting = outcome(server, "lasting", "ended by its timeout, 1.5 s")
    (run,) = [one for one in json.loads(server.ask("runs --since 1h --json")) if str(one["id"]) == lasting["run"]]
    assert (run["from"], run["failure"]) == ("service schedules as lasting", "cancelled")


def test_a_run_that_is_due_while_another_goes_on_is_left_out_or_waits_or_ends_it(server: Server) -> None:
    wait_for(lambda: schedules(server)["skipping"]["state"] == "running", "a run")
    answer = server.ask("schedules run skipping")
    assert answer == "*** schedules run: skipping: left out, because the run before it goes on\n"
    server.wait_for_log("schedules: killing: ended by the next run")
    server.wait_for_log("schedules: queueing: left out, because another waits already")

    def done() -> set[str]:
        runs = json.loads(server.ask("runs worker.work --since 1h --json"))
        return {run["from"] for run in runs if run["state"] == "done"}

    wait_for(lambda: "service schedules as queueing" in done(), lambda: str(done()))
    at_a_time = [job["from"] for job in json.loads(server.ask("jobs --json")) if "nap" in job["command"]]
    assert len(set(at_a_time)) == len(at_a_time)


def test_a_run_by_hand_ends_with_its_caller(kept: Callable[..., Server]) -> None:
    server = kept('[schedules.long]\nrun = "worker nap"\nat = "02:30"\n', worker=WORKER)
    with server.connect() as connection:
        connection.sendall(b"schedules run long\n")
        wait_for(lambda: schedules(server)["long"]["state"] == "running", "the run")
        (job,) = [job["id"] for job in json.loads(server.ask("jobs --json")) if job["command"] == "schedules run"]
        server.ask(f"cancel {job}")
        assert connection.recv(1000).startswith(b"*** schedules run: cancelled by ")
    outcome(server, "long", "cancelled")
    wait_for(lambda: "nap" not in server.ask("jobs"), "the end of the command")


def test_state_outlives_the_manager(kept: Callable[..., Server]) -> None:
    configuration = (
        '[schedules.paused]\nrun = "worker work"\nevery = "1s"\n[schedules.long]\nrun = "worker nap"\nat = "02:30"\n'
        '[schedules.missed]\nrun = "worker work"\nevery = "1h"\nmissed = "run"\n'
    )
    server = kept(configuration, worker=WORKER)
    outcome(server, "paused", "done")
    assert server.ask("schedules pause paused") == "paused: paused\n"
    with server.connect() as connection:
        connection.sendall(b"schedules run long\n")
        wait_for(lambda: schedules(server)["long"]["state"] == "running", "the run")
        server.stop()
    file = server.directory / "state" / "service-schedules" / "schedules.json"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    content = json.loads(file.read_text())
    content["schedules"]["missed"]["handled"] -= 5 * 3600
    file.write_text(json.dumps(content))
    server = kept(configuration, worker=WORKER)
    before = schedules(server)
    assert (before["paused"]["state"], before["paused"]["outcome"]) == ("paused", "done")
    assert before["long"]["outcome"] in ("ended with the service", "cancelled")
    server.wait_for_log("worker: worked")
    outcome(server, "missed", "done")
    assert server.ask("worker count") == "1\n"
    assert schedules(server)["paused"]["last"] == before["paused"]["last"]
    server.ask("schedules resume paused")
    wait_for(lambda: schedules(server)["paused"]["last"] != before["paused"]["last"], "another run")


def test_what_is_kept_may_be_damaged(kept: Callable[..., Server]) -> None:
    configuration = '[schedules.night]\nrun = "worker work"\nat = "02:30"\n'
    server = kept(configuration, worker=WORKER)
    file = server.directory / "state" / "service-schedules" / "schedules.json"
    for damage in ("", "{", "[]", '{"format": 1, "schedules": {"night": 5}}', '{"format": 1, "schedules": []}'):
        server.ask("stop schedules")
        file.write_text(damage)
        server.ask("start schedules")
        assert server.ask("schedules run night") == "night: done\n"


def test_reload_takes_and_leaves_schedules_and_refuses_wrong_ones(kept: Callable[..., Server]) -> None:
    server = kept("", worker=WORKER)
    assert "schedules" not in server.ask("services")
    path = server.directory / "smanager.toml"

    def reload(text: str) -> str:
        path.write_text(text)
        return server.ask("reload")

    assert reload('[schedules.a]\nrun = "worker work"\nat = "02:30"\n') == (
        "load schedules.py: it is new\nschedules: running\n"
    )
    answer = reload('[schedules.a]\nrun = "worker work"\ncron = "30 2 * *"\n')
    assert answer.startswith(
        f"*** reload: {path}: [schedules.a] cron is '30 2 * *', and should be five fields, such as"
    )
    assert answer.endswith("; it has 4 fields\n")
    assert list(schedules(server)) == ["a"]
    assert "restart schedules" in reload('[schedules.b]\nrun = "worker work"\nat = "02:30"\n')
    assert list(schedules(server)) == ["b"]
    assert reload('[schedules.b]\nrun = "worker work"\nat = "02:30"\n[listeners.x]\nunix = "x.sock"\n').count("\n") == 1
    assert reload("").startswith("remove schedules: it is not configured any more\n")
    assert "schedules" not in server.ask("services")


@pytest.mark.parametrize("option", ["--check", "--port=0"])
def test_a_wrong_schedule_is_told_at_once(tmp_path: Path, option: str) -> None:
    (tmp_path / "services").mkdir()
    path = tmp_path / "smanager.toml"
    path.write_text(
        '[schedules.a]\nrun = "status"\nevery = "0s"\n[schedules.b]\nrun = "status"\nroles = ["v"]\nat = "1:00"\n'
    )
    result = smanager("--services", "services", option, cwd=tmp_path)
    assert result.returncode == 1
    printed = result.stdout + result.stderr
    assert f"{path}: [schedules.a] every is '0s', and should be a time span from \"1s\"" in printed
    assert f"{path}: [schedules.b] there is no role v; there are: admin, operate, view" in printed
    assert "Traceback" not in printed
