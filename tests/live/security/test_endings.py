"""Who is sent away, or has lost a right, has nothing run any more from that moment on."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from smanager.access.secrets import hash_token
from smanager.access.users import Token, UsersFile
from smanager.shells.interpreter import DETACHED_LIMIT
from tests.conftest import SECONDS, Server, read_to_end, read_until, wait_for
from tests.live.security.conftest import SERVICE, TOKENS, Network

SLOW = """
import os, time
from smanager import SService


class Slow(SService):
    def stop(self):
        while not os.path.exists("gate"): time.sleep(0.01)
"""


def number_of(network: Network, user: str) -> int:
    """The number of a user's session."""
    sessions = json.loads(network.ask("default", "who --json"))
    return next(int(one["id"]) for one in sessions if one["user"] == user)


def commands_of(network: Network, user: str) -> list[str]:
    return [one["name"] for one in network.audit() if one["event"] == "command" and one["user"] == user]


@pytest.mark.parametrize("door", ["locked", "tls", "local"])
def test_what_waits_behind_a_command_is_not_run_after_a_kick(network: Network, door: str) -> None:
    with network.connect(door) as connection:
        connection.sendall(f"auth {TOKENS['operator']}\nbox wait gate; box open\nbox close\n".encode())
        wait_for(lambda: "box wait" in commands_of(network, "operator"), "the command")
        network.ask("default", f"kick {number_of(network, 'operator')}")
        (network.directory / "gate").touch()
        with suppress(OSError):
            connection.sendall(b"box open\n")
            read_to_end(connection)
    wait_for(lambda: network.ask("default", "jobs") == "", "the command's end")
    assert commands_of(network, "operator") == ["box wait"]


def test_none_of_many_lines_is_run_after_a_kick(network: Network) -> None:
    with network.connect("locked") as connection:
        connection.sendall(f"auth {TOKENS['operator']}\n".encode() + b"status\n" * 7000)
        read_until(connection, b"\n")
        network.ask("default", f"kick {number_of(network, 'operator')}")
        with suppress(OSError):
            read_to_end(connection)
    told = [(one.get("name"), one.get("user")) for one in network.audit()]
    after = told[told.index(("kick", "")) + 1 :]
    assert ("status", "operator") not in after


def test_rights_end_at_once_however_long_a_reload_takes(own_network: Network) -> None:
    network = own_network
    slow = network.directory / "services" / "slow.py"
    slow.write_text(SLOW)
    network.ask("default", "reload")
    slow.write_text(f"{SLOW}    stop_timeout = 60.0\n")
    configuration = network.directory / "smanager.toml"
    configuration.write_text(configuration.read_text().replace('"box.*", ', '"box.close", '))
    with network.connect("locked") as gone, network.connect("locked") as odd:
        gone.sendall(f"auth {TOKENS['operator']}\nbox wait never\n".encode())
        odd.sendall(f"auth {TOKENS['odd']}\nbox open\n".encode())
        assert read_until(odd, b"\n") == b"opened\n"
        wait_for(lambda: "box wait" in commands_of(network, "operator"), "the command")
        with UsersFile(network.directory / "smanager-users.json").changed() as users:
            del users["operator"]
        reload = threading.Thread(target=network.ask, args=("default", "reload"))
        reload.start()
        read_to_end(gone)
        odd.sendall(b"box open\n")
        assert read_until(odd, b"\n").startswith(b"*** box has no command open")
        assert reload.is_alive()
        (network.directory / "gate").touch()
        reload.join(SECONDS)
    wait_for(lambda: "box wait" not in network.ask("default", "jobs"), "the end of the command")


def test_a_kick_ends_what_is_detached_too(network: Network) -> None:
    with network.connect("locked") as connection:
        request = {"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": ["box wait never &"]}
        connection.sendall(f"auth {TOKENS['operator']}\nbox wait never &\n{json.dumps(request)}\n".encode())
        wait_for(lambda: network.ask("default", "jobs").count("box wait") == 2, "the commands")
        network.ask("default", f"kick {number_of(network, 'operator')}")
        wait_for(lambda: network.ask("default", "jobs") == "", "their end")


def test_a_hang_up_ends_what_programs_wait_for(network: Network) -> None:
    with network.connect("default") as connection, connection.makefile("rb") as answers:
        for number in range(10):
            line = "; ".join(["wait box failed &"] * DETACHED_LIMIT)
            request = {"jsonrpc": "2.0", "id": number, "method": "shell.execute", "params": [line]}
            connection.sendall(json.dumps(request).encode() + b"\n")
        told = [json.loads(answers.readline())["result"] for _ in range(10)]
        # The lines take turns, so any of them may have begun some.
        assert sum(one["output"].count("wait: begun") for one in told) == DETACHED_LIMIT
        assert sum(one["output"].count("of your commands run detached") for one in told) == 9 * DETACHED_LIMIT
        assert network.ask("default", "jobs").count("wait") == DETACHED_LIMIT
    wait_for(lambda: network.ask("default", "jobs") == "", "their end")


def test_what_runs_ends_with_the_right_to_it(network: Network) -> None:
    with network.connect("locked") as connection:
        connection.sendall(f"auth {TOKENS['odd']}\nbox wait never\n".encode())
        wait_for(lambda: "box wait" in network.ask("default", "jobs"), "the command")
        configuration = network.directory / "smanager.toml"
        configuration.write_text(configuration.read_text().replace('"box.*", ', '"box.close", '))
        network.ask("default", "reload")
        assert read_until(connection, b"\n") == b"*** box wait: it is not allowed any more\n"


def test_a_session_on_a_token_is_over_with_it_whatever_it_does(network: Network) -> None:
    with UsersFile(network.directory / "smanager-users.json").changed() as users:
        token = Token(hash_token("smt_short"), time.time() + 2)
        users["operator"] = users["operator"]._replace(token=token)
    with network.connect("locked") as connection:
        connection.sendall(b"auth smt_short\nwatch -n 0.2 box open\n")
        read_until(connection, b"opened\n")
        assert read_to_end(connection).endswith(b"*** your token has expired\n")
    assert network.ask("default", "jobs") == ""


def test_detached_waits_are_few_and_end_with_their_session(network: Network) -> None:
    with network.connect("default") as connection:
        connection.sendall(b"wait box failed &\n" * (DETACHED_LIMIT + 1))
        read_until(connection, b"*** 64 of your commands run detached")
        assert network.ask("default", "jobs").count("wait") == DETACHED_LIMIT
    wait_for(lambda: network.ask("default", "jobs") == "", "their end")


def test_only_what_one_could_have_given_can_be_cancelled(kept: Callable[..., Server]) -> None:
    server = kept(
        '[listeners.all]\ntcp = "127.0.0.1:0"\n[listeners.few]\nunix = "few.sock"\nroles = ["few"]\n'
        '[roles.few]\nallow = ["jobs", "cancel", "wait box"]\n',
        box=SERVICE,
    )
    with server.connect() as waiting, socket.socket(socket.AF_UNIX) as few:
        waiting.sendall(b"wait hidden failed\n")
        wait_for(lambda: "wait" in server.ask("jobs"), "the wait")
        few.connect("few.sock")
        few.sendall(b"jobs\ncancel 1\n")
        few.shutdown(socket.SHUT_WR)
        assert read_to_end(few) == b"*** cancel: unknown job 1; known: none\n"
