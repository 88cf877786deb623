"""What hostile clients and careless administrators do to the doors, and what that costs others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from smanager.access.secrets import hash_password
from smanager.access.throttle import MOST_FAILURES
from smanager.access.users import UsersFile
from tests.conftest import ROOT, SECONDS, Server, read_to_end, read_until, wait_for
from tests.live.clients import smanager
from tests.live.security.clients import Telnet
from tests.live.security.conftest import PASSWORD, TOKENS, Network

IDLE = 400


def pid_of(network: Network, service: str) -> int:
    (status,) = json.loads(network.ask("local", f"status {service} --json"))
    return int(status["pid"] or 0)


@pytest.mark.parametrize("door", ["open", "locked", "tls"])
def test_idle_connections_at_one_door_cost_nobody_at_another(own_network: Network, door: str) -> None:
    with ExitStack() as flood:
        for _ in range(IDLE):
            connection = flood.enter_context(socket.create_connection(("127.0.0.1", own_network.ports[door]), SECONDS))
            if door == "locked":
                connection.sendall(b"auth ")
        assert "box" in own_network.ask("local", "status")
        before = pid_of(own_network, "box")
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: pid_of(own_network, "box") not in (0, before), "a respawn")
        wait_for(lambda: own_network.ask("local", "box open") == "opened\n", "the service's answer")
        assert own_network.ask("locked", "box open", token=TOKENS["root"]) == "opened\n"


def test_a_flood_beyond_a_listeners_budget_gives_way_to_who_comes(kept: Callable[..., Server], directory: Path) -> None:
    server = kept(
        '[listeners.small]\ntcp = "127.0.0.1:0"\nlogin = "required"\nmax_sessions = 5\n'
        '[listeners.local]\nunix = "s.sock"\nmax_sessions = 5\n'
    )
    port = int(server.wait_for_log(r"^listening on [^,]*, 127.0.0.1:(\d+)").group(1))
    with ExitStack() as flood:
        for _ in range(30):
            flood.enter_context(socket.create_connection(("127.0.0.1", port), SECONDS)).sendall(b"auth x")
        with socket.create_connection(("127.0.0.1", port), SECONDS) as late:
            late.sendall(b"help\n")
            assert read_until(late, b"\n") == b"*** log in first with a line: auth TOKEN\n"
        with socket.socket(socket.AF_UNIX) as local:
            local.connect(str(directory / "s.sock"))
            local.sendall(b"help -s\n")
            assert b"COMMANDS: " in read_until(local, b"watch")


@pytest.mark.parametrize(
    "sent",
    [b"auth " + b"x" * 100_000, b"{" + b"x" * 100_000, b"x" * 100_000, b"\xff\xfa" * 50_000, b"GET / HTTP/1.1\r\n"],
)
def test_whatever_comes_before_a_login_is_bounded(own_network: Network, sent: bytes) -> None:
    with own_network.connect("locked") as connection:
        connection.sendall(sent)
        try:
            connection.shutdown(socket.SHUT_WR)
            read_to_end(connection)
        except OSError:
            pass  # it was reset, with much unread
    assert own_network.ask("locked", "box open", token=TOKENS["root"]) == "opened\n"


def test_long_names_and_passwords_are_cut_and_nothing_hangs(own_network: Network) -> None:
    with own_network.connect("locked") as connection:
        person = Telnet(connection)
        person.expect("login: ")
        person.type("n" * 50_000 + "\r")
        person.expect("password: ")
        person.type("p" * 50_000 + "\r")
        person.expect("login incorrect")
    failed = [one for one in own_network.audit() if one["event"] == "login failed"]
    assert failed[0]["user"] == "n" * 64


def test_a_handshake_that_stalls_keeps_nobody_from_theirs(network: Network) -> None:
    with socket.create_connection(("127.0.0.1", network.ports["tls"]), SECONDS) as stalled:
        stalled.sendall(b"\x16\x03\x01")
        assert network.ask("tls", "box open", token=TOKENS["root"]) == "opened\n"
        assert stalled.recv(100) == b""  # after its ten seconds


def unix_configuration(path: Path) -> str:
    return f'[listeners.local]\nunix = "{path}"\n'


def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(kept: Callable[..., Server], directory: Path) -> None:
    path = directory / "s.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    server = kept(unix_configuration(path))
    assert path.stat().st_mode & 0o777 == 0o600
    shutil.copy("smanager.toml", "other.toml")  # another configuration
    second = smanager("--config", "other.toml", "--services", "services", cwd=directory)
    assert second.returncode == 1
    assert second.stderr == f"smanager: {path}: a process listens there already; is another SManager running?\n"
    server.stop()
    assert not path.exists()
    path.write_text("a file")
    third = smanager("--config", "other.toml", "--services", "services", cwd=directory)
    assert third.stderr == f"smanager: {path} exists and is not a socket; choose another path\n"
    assert path.read_text() == "a file"


def test_of_two_that_start_together_one_gets_the_unix_socket(directory: Path) -> None:
    files = [directory / name for name in ("one.toml", "other.toml")]
    for file in files:
        file.write_text(unix_configuration(directory / "s.sock"))
    command = [sys.executable, str(ROOT / "smanager.py"), "--services", "services", "--config"]
    both = [subprocess.Popen([*command, file], stderr=subprocess.PIPE, text=True) for file in files]
    try:
        wait_for(lambda: any(process.poll() is not None for process in both), "one to give up")
        (loser,) = [process for process in both if process.poll() is not None]
        assert loser.stderr
        assert "a process listens there already" in loser.stderr.read()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(str(directory / "s.sock"))
            client.sendall(b"help -s\n")
            assert b"COMMANDS" in read_until(client, b"kill")
    finally:
        for process in both:
            process.terminate()
            process.wait(SECONDS)
            if process.stderr:
                process.stderr.close()


def test_a_key_that_anybody_may_read_is_refused(network: Network) -> None:
    (network.directory / "server.pem").chmod(0o644)
    shutil.copy(network.directory / "smanager.toml", network.directory / "other.toml")
    result = smanager("--services", "services", "--config", "other.toml", cwd=network.directory)
    assert "every user may read this key; `chmod o= " in result.stderr
    assert network.ask("default", "reload").startswith("*** reload: [listeners.tls] ")  # and nothing has changed:
    assert network.ask("tls", "box open", token=TOKENS["root"]) == "opened\n"


def test_beyond_loopback_a_listener_needs_tls_and_logins(directory: Path) -> None:
    for more, reason in (
        ("", "anyone could run every command"),
        ('login = "required"', "an eavesdropper could read every login"),
    ):
        (directory / "smanager.toml").write_text(f'[listeners.lan]\ntcp = "0.0.0.0:0"\n{more}\n')
        result = smanager("--services", "services", cwd=directory)
        assert result.returncode == 1
        assert f"0.0.0.0:0 can be reached from other machines, and {reason}" in result.stderr


def test_only_the_networks_that_are_allowed_reach_the_banner(kept: Callable[..., Server]) -> None:
    server = kept('[listeners.lan]\ntcp = "127.0.0.1:0"\nallow = ["192.0.2.0/24", "127.0.0.2"]\n')
    port = int(server.wait_for_log(r"^listening on [^,]*, 127.0.0.1:(\d+)").group(1))
    for source, banner in (("127.0.0.2", True), ("127.0.0.3", False)):
        with socket.create_connection(("127.0.0.1", port), SECONDS, (source, 0)) as connection:
            try:
                assert (b"Service Manager" in connection.recv(1000) + connection.recv(1000)) == banner
            except ConnectionResetError:
                assert not banner


def test_many_guesses_at_once_are_no_more_than_those_one_by_one(own_network: Network) -> None:
    with UsersFile(own_network.directory / "smanager-users.json").changed() as users:  # so that a guess takes its time
        users["root"] = users["root"]._replace(password=hash_password(PASSWORD))
    with ExitStack() as attack:
        guessing = [attack.enter_context(own_network.connect("locked")) for _ in range(40)]
        for number, connection in enumerate(guessing):
            guess = {"user": "root", "password": "wrong" if number < 39 else PASSWORD}
            request = {"jsonrpc": "2.0", "id": 1, "method": "auth", "params": guess}
            connection.sendall(json.dumps(request).encode() + b"\n")
        answers = [json.loads(read_until(connection, b"\n")) for connection in guessing]
    assert all("error" in answer for answer in answers)
    failed = [one for one in own_network.audit() if one["event"] == "login failed"]
    assert len(failed) <= MOST_FAILURES + 2
    assert own_network.ask("locked", "box open", token=TOKENS["root"]) == "opened\n"


def test_typing_without_end_before_a_login_holds_up_nobody(own_network: Network) -> None:
    with ExitStack() as flood:
        for _ in range(10):
            connection = flood.enter_context(own_network.connect("locked"))
            connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.sendall(b"x" * 2_000_000)
        for _ in range(20):
            assert "box" in own_network.ask("local", "status")


def test_a_session_loses_at_a_reload_what_its_role_loses(network: Network) -> None:
    with network.connect("locked") as connection:
        person = Telnet(connection)
        person.log_in("odd", PASSWORD)
        person.expect("\r\n>")
        person.type("box\r")
        person.expect("box>")
        text = (network.directory / "smanager.toml").read_text()
        (network.directory / "smanager.toml").write_text(text.replace('"box.*", "ring", "shutdown", ', '"hidden.*", '))
        assert "the roles have changed" in network.ask("default", "reload")
        person.type("open\r")
        person.expect("*** box has no command open")
        person.type("restart box\r")
        person.expect("box: running")
        person.type("reload\r")
        person.expect("*** box has no command reload")


@pytest.mark.parametrize(
    "line", ["reload --", "plan ", "signal x ", "wait x ", "watch ", "box reload --", "logs ", "cancel "]
)
def test_tab_tells_nothing_of_what_may_not_be_run(shared_network: Network, line: str) -> None:
    *_, word = line.split()[: -1 if line.endswith("--") else None]
    made_up = line.replace(word, "q" * len(word))
    requests: list[dict[str, Any]] = [{"method": "shell.complete", "params": [one]} for one in (line, made_up)]
    answer, of_unknown = shared_network.call("locked", *requests, token=TOKENS["odd"])
    assert answer["result"] == of_unknown["result"]


def test_restarting_all_at_once_is_for_admins(network: Network) -> None:
    said = network.ask("locked", "restart box all", token=TOKENS["operator"])
    assert said == "*** restart: only an admin may restart all services; name some\n"
    (refused,) = network.call("locked", {"method": "restart", "params": [["all"]]}, token=TOKENS["operator"])
    assert "only an admin may restart all services" in refused["error"]["message"]
    for user in ("operator", "odd"):  # a pattern means what one may restart, and tells nothing of others
        expected = {"operator": {"box: running", "hidden: running"}, "odd": {"box: running"}}[user]
        assert set(network.ask("locked", "restart *", token=TOKENS[user]).splitlines()) == expected


def test_a_token_has_no_role_that_its_user_has_not(network: Network) -> None:
    result = smanager("token", "add", "viewer", "--roles", "admin", cwd=network.directory)
    assert (result.returncode, result.stdout) == (1, "")
    assert "viewer does not have the roles admin" in result.stderr
