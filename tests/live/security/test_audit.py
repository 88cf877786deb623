"""The audit journal: what is in it, what never is, and where it cannot be written."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from smanager.access.audit import SYSLOG_SOCKET
from smanager.system.lock import lock
from tests.conftest import ROOT, SECONDS, Server, alive, configure, is_in, read_until, wait_for
from tests.live.security.clients import Telnet
from tests.live.security.conftest import SERVICE, TOKENS, Network


def test_the_audit_journal_tells_all_and_no_secret(own_network: Network) -> None:
    own_network.ask("locked", "box login anna hunter2 --again hunter3", "box fail", "box nothing", token=TOKENS["root"])
    own_network.call(
        "locked", {"method": "box.login", "params": {"user": "b", "secret": "hunter2"}}, token=TOKENS["root"]
    )
    own_network.ask("locked", "status", token="smt_hunter2")
    journal = own_network.directory / "state" / "audit.jsonl"
    assert journal.stat().st_mode & 0o777 == 0o600
    assert "hunter" not in journal.read_text()
    events = own_network.audit()
    commands = {one["id"]: one for one in events if one["event"] == "command"}
    ends = {one["id"]: one for one in events if one["event"] == "end"}
    login, *_ = [one for one in commands.values() if one["name"] == "box login"]
    assert login["arguments"] == {"user": "anna", "secret": "(secret)", "again": "(secret)"}
    assert (login["user"], ends[login["id"]]["outcome"]) == ("root", "done")
    (failed,) = [one for one in commands.values() if one["name"] == "box fail"]
    assert ends[failed["id"]]["outcome"] == "ValueError: no"
    assert events[0]["event"] == "manager started"
    assert [one["name"] for one in events if one["event"] == "refused"] == ["box nothing"]
    assert [one["proof"] for one in events if one["event"] == "login failed"] == ["token"]


@pytest.mark.parametrize("need", ["required", "on"])
def test_where_the_journal_is_required_nothing_runs_without_it(
    kept: Callable[..., Server], directory: Path, need: str
) -> None:
    server = kept(f'audit = "{need}"\naudit_file = "audit.jsonl"\n', box=SERVICE)
    assert server.ask("box open") == "opened\n"
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (10, 1_000_000))  # as a full disk would
    said = server.ask("box open; status")
    assert [service["name"] for service in json.loads(server.ask("status --json"))] == ["box", "hidden"]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    if need == "required":
        assert said.startswith(
            "*** box open: the audit journal cannot be written, and commands do not run without it\n"
        )
    else:
        assert said.startswith("opened\n")
    assert said.endswith("lines of the audit journal could not be written\n")  # which `status` tells in any case
    assert server.ask("box open") == "opened\n"
    told = [json.loads(line) for line in (directory / "audit.jsonl").read_text().splitlines()]
    (lost,) = [one["lines"] for one in told if one["event"] == "lost"]
    assert f"*** {lost} lines of the audit journal" in server.ask("status")


def test_what_is_watched_and_what_is_misused_is_written_down_without_secrets(network: Network) -> None:
    with network.connect("locked") as connection:
        connection.sendall(f"auth {TOKENS['root']}\nwatch box login anna hunter2\n".encode())
        read_until(connection, b"in\n")
    with network.connect("locked") as connection:
        connection.sendall(f"auth {TOKENS['root']}\nwatch unlock hunter5\n".encode())
        read_until(connection, b"unlocked\n")
    network.ask("locked", "box login hunter3", "box look --hunter4", token=TOKENS["root"])
    text = (network.directory / "state" / "audit.jsonl").read_text()
    assert "hunter" not in text
    assert [one["name"] for one in network.audit() if one["event"] == "refused"] == ["box login", "box look"]


def test_a_journal_that_was_put_aside_is_begun_anew(network: Network) -> None:
    journal = network.directory / "state" / "audit.jsonl"
    network.ask("default", "box open")
    journal.rename(journal.with_name("old"))
    wait_for(lambda: network.ask("default", "box open") and journal.exists(), "a new journal")


@pytest.fixture
def system_log() -> Iterator[socket.socket]:
    """The system's log, of which a machine has one: other runs of these tests wait until this one has ended."""
    holder = lock(Path(tempfile.gettempdir()) / "smanager-tests-syslog.lock", wait=5 * SECONDS)
    try:
        if Path(SYSLOG_SOCKET).exists():
            pytest.skip("somebody else's syslog would be told")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
            syslog.bind(SYSLOG_SOCKET)
            syslog.settimeout(SECONDS)
            yield syslog
    finally:
        os.close(holder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may take the system's log")
def test_the_system_log_is_told_as_well_and_never_waited_for(
    system_log: socket.socket,
    kept: Callable[..., Server],  # after that, so that another run is not told of the end of what this one keeps
) -> None:
    try:
        server = kept('audit_syslog = true\n[listeners.main]\ntcp = "127.0.0.1:0"', box=SERVICE)
        assert server.ask("box open") == "opened\n"
        told: list[Any] = []
        while not told or told[-1]["event"] != "end":
            header, _, line = system_log.recv(10_000).partition(b": ")
            if header == b"<86>smanager":  # others may tell it something as well
                told.append(json.loads(line))
        assert [one["event"] for one in told] == ["manager started", "command", "end"]
        for _ in range(300):  # many more than the kernel keeps for who does not read
            assert server.ask("box open") == "opened\n"
    finally:
        system_log.close()
        Path(SYSLOG_SOCKET).unlink(missing_ok=True)
    assert server.ask("box open") == "opened\n"
    server.wait_for_log("cannot send audit lines")
    assert len(re.findall("cannot send audit lines", server.log)) == 1


def test_nothing_in_the_journal_can_pass_for_another_line(own_network: Network) -> None:
    forged = '\\n{"event": "login", "user": "root"}\x1b[2J\x85'
    own_network.ask("default", f'box open "{forged}"', f"broadcast {forged}")
    with own_network.connect("locked") as connection:
        person = Telnet(connection)
        person.log_in('x","event":"login', "wrong")
        person.expect("login incorrect")
    text = (own_network.directory / "state" / "audit.jsonl").read_text()
    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    assert not [one for one in own_network.audit() if one["event"] == "login"]


def test_a_refusal_is_written_down_with_its_reason_which_the_caller_is_not_told(network: Network) -> None:
    lines = ("box format", "box nothing", "kill", "nothing", "box look 1 2")
    network.ask("locked", *lines, token=TOKENS["operator"])
    methods = ("box.format", "box.nothing", "reload", "nothing")
    requests = [{"method": name} for name in methods]
    network.call("locked", *requests, {"method": "box.look", "params": [1, 2]}, token=TOKENS["operator"])
    told = [(one["name"], one["reason"]) for one in network.audit() if one["event"] == "refused"]
    reasons = ["not allowed", "no such command", "not allowed", "no such command", "wrong arguments"]
    names = [*lines[:-1], "box look", *methods, "box.look"]
    assert told == list(zip(names, reasons * 2, strict=True))


def test_who_is_sent_away_by_whom_is_written_down(network: Network) -> None:
    with network.connect("locked") as connection:
        connection.sendall(f"auth {TOKENS['viewer']}\nwait box failed\n".encode())
        wait_for(lambda: "viewer" in network.ask("default", "who"), "the session")
        number = next(one["id"] for one in json.loads(network.ask("default", "who --json")) if one["user"] == "viewer")
        network.ask("locked", f"kick {number}", token=TOKENS["root"])
    (kicked,) = [one for one in network.audit() if one["event"] == "kicked"]
    assert (kicked["user"], kicked["by"].split(" from ")[0]) == ("viewer", "root")


def test_no_command_pushes_the_others_out_of_the_journal(network: Network) -> None:
    long = ["é" * 1990] * 50
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    network.call("open", {"method": "whoami", "params": [long]}, {"method": "box.look", "params": deep})
    login = {"method": "box.login", "params": [long[0], "hunter2"]}
    network.call("default", login, {"method": "stop", "params": [long]})
    lines = network.journal()
    assert max(map(len, lines)) < 10_000
    told = network.audit()
    assert [one["name"] for one in told if one["event"] == "refused"] == ["whoami", "box.look"]
    assert next(one for one in told if one.get("name") == "box.login")["arguments"]["user"].startswith("é" * 100)


def test_certificates_that_let_nobody_in_are_written_down(own_network: Network) -> None:
    with suppress(OSError), own_network.connect("tls", "expired") as connection:
        connection.recv(1000)
    wait_for(lambda: [one for one in own_network.audit() if "expired" in str(one.get("proof"))], "the expired one")
    (own_network.directory / "smanager-users.json").write_text('{"format": 1, "users": {}}')
    with own_network.connect("tls", "viewer") as connection:
        connection.sendall(b"status\n")
        assert b"log in first" in read_until(connection, b"\n")
    failed = [one for one in own_network.audit() if one["event"] == "login failed"]
    assert [(one["user"], one["proof"]) for one in failed][1:] == [("viewer", "certificate: of no user")]


TIMES = "before", "after"
MARKER = """
from pathlib import Path
from smanager import SService


class Marker(SService):
    def cmd_mark(self, name):
        Path(name).touch()
        return name


class Other(SService):
    pass
"""


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("where", [f"{when}-{what}" for what in ("journal", "frames", "output") for when in TIMES])
def test_whenever_the_manager_dies_what_was_done_is_written_and_what_was_told_is_done(
    directory: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    options = configure(directory, "", {"marker": MARKER})
    dying = [sys.executable, "-m", "tests.live.security.killed_manager", where, str(number), "--port", "0", *options]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    server = Server(command=dying)
    is_in(server, "marker", "running")
    hosts = server.children()
    (directory / "armed").touch()
    clients = [server.connect() for _ in range(6)]
    for index, client in enumerate(clients):
        client.sendall(f"marker mark done-{index}\n".encode() if index else b"stop other\n")
    answers = [what_comes(client) for client in clients]
    assert server.process.wait(SECONDS) == -signal.SIGKILL
    wait_for(lambda: not any(map(alive, hosts)), "the end of the hosts")
    lines = map(json.loads, (directory / "state" / "audit.jsonl").read_text().splitlines())
    written = [one["arguments"] for one in lines if one["event"] == "command" and one["name"] != "status"]
    for index, answer in enumerate(answers):
        is_done = (directory / f"done-{index}").exists() if index else (directory / "state" / "stopped.json").exists()
        arguments = {"name": f"done-{index}"} if index else {"services": ["other"]}
        assert not is_done or arguments in written
        assert not answer or is_done


def what_comes(connection: socket.socket) -> bytes:
    """What a connection brings until its end, which may be a reset."""
    received = b""
    with suppress(ConnectionError):
        while piece := connection.recv(4096):
            received += piece
    return received
