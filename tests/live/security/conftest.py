"""A manager with a listener of each kind, users of each kind, and the ways to come in."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smanager.access.secrets import hash_token
from smanager.access.users import Token, User, UsersFile
from tests.certificates import make_certificates
from tests.conftest import SECONDS, Server, configure, read_to_end
from tests.passwords import quick_hash

PASSWORD = "a password that is long enough"
TOKENS = {name: f"smt_token-of-{name}" for name in ("viewer", "operator", "root", "odd", "late")}

SERVICE = """
import os, time
from smanager import SService, Secret, command


class Box(SService):
    def cmd_open(self): return "opened"
    def cmd_close(self, slowly: bool = False): return "closed"
    @command(role="view")
    def cmd_look(self): return "looked"
    @command(role="admin")
    def cmd_format(self): return "formatted"
    def cmd_login(self, user, secret: Secret[str], *, again: Secret[str] = ""): return "in"
    def cmd_wait(self, gate):
        while not os.path.exists(gate): time.sleep(0.01)
    def cmd_fail(self): raise ValueError("no")
    def cmd_escape(self): return "\\x1b]0;owned\\x07 *** forged\\nline"
    def toplevel_cmd_ring(self): return "rang"
    def toplevel_cmd_unlock(self, pin: Secret[str]): return "unlocked"
    def toplevel_cmd_shutdown(self): return "down"


class Hidden(SService):
    def cmd_secret(self): return "found"
"""

CONFIGURATION = """
[listeners.open]
tcp = "127.0.0.1:0"
roles = ["view"]

[listeners.locked]
tcp = "127.0.0.1:0"
login = "required"

[listeners.tls]
tcp = "127.0.0.1:0"
login = "required"
tls = { certificate = "server.pem", client_ca = "ca.pem" }

[listeners.local]
unix = "local.sock"
login = "required"
relays = ["root"]

[roles.odd]
allow = ["box.*", "ring", "shutdown", "status", "restart box", "runs", "output", "rerun"]
deny = ["*.close", "shutdown"]
"""


@dataclass
class Network:
    """The manager and its doors."""

    directory: Path
    server: Server
    ports: dict[str, int]
    audited: int = 0
    """The lines of the journal that earlier tests have left."""

    def connect(self, door: str, certificate: str = "", peer: int = 0) -> socket.socket:
        if door == "local":
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(SECONDS)
            if peer:
                os.seteuid(peer)  # which is what the system tells of it (unix(7), SO_PEERCRED)
            try:
                connection.connect(str(self.directory / "local.sock"))
            finally:
                if peer:
                    os.seteuid(0)
            return connection
        connection = socket.create_connection(("127.0.0.1", self.ports[door]), SECONDS)
        if door != "tls":
            return connection
        context = ssl.create_default_context(cafile=str(self.directory / "ca.pem"))
        if certificate:
            context.load_cert_chain(self.directory / f"{certificate}.pem")
        return context.wrap_socket(connection, server_hostname="localhost")

    def ask(self, door: str, *lines: str, token: str = "") -> str:
        """What a script is answered there."""
        with self.connect(door) as connection:
            first = [f"auth {token}"] if token else []
            connection.sendall("".join(f"{line}\n" for line in [*first, *lines]).encode())
            if door != "tls":  # which has no half-close
                connection.shutdown(socket.SHUT_WR)
            return read_to_end(connection).decode()

    def call(
        self, door: str, *requests: dict[str, Any], token: str = "", certificate: str = "", peer: int = 0
    ) -> list[Any]:
        """What a program is answered there, in the requests' order."""
        with self.connect(door, certificate, peer) as connection:
            first = f"auth {token}\n" if token else ""
            numbered = [{"jsonrpc": "2.0", "id": number, **request} for number, request in enumerate(requests)]
            connection.sendall((first + "".join(json.dumps(request) + "\n" for request in numbered)).encode())
            lines = connection.makefile("rb")
            answers = [json.loads(lines.readline()) for _ in requests]
        return sorted(answers, key=lambda answer: answer["id"])

    def audit(self) -> list[dict[str, Any]]:
        """What the journal has told in this test so far."""
        return [json.loads(line) for line in self.journal()]

    def journal(self) -> list[str]:
        """The lines of the journal, which is made with its first."""
        journal = self.directory / "state" / "audit.jsonl"
        return journal.read_text().splitlines()[self.audited :] if journal.exists() else []


def make_users(directory: Path) -> None:
    roles = {"viewer": "view", "operator": "operate", "root": "admin", "odd": "odd", "late": "admin"}
    kept = quick_hash(PASSWORD)
    with UsersFile(directory / "smanager-users.json").changed() as users:
        for name, role in roles.items():
            expires = time.time() - 1 if name == "late" else None
            users[name] = User(name, (role,), kept, Token(hash_token(TOKENS[name]), expires))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the certificates and the users that each test has copies of."""
    made = tmp_path_factory.mktemp("files")
    make_certificates(made)
    make_users(made)
    return made


def network_of(server: Server) -> Network:
    found = server.wait_for_log(r"^listening on (.*)$").group(1)
    ports = [int(number) for number in re.findall(r":(\d+)", found)]
    return Network(server.directory, server, dict(zip(("default", "open", "locked", "tls"), ports, strict=True)))


@pytest.fixture
def own_network(directory: Path, kept: Callable[..., Server], files: Path) -> Network:
    """A network for one test: where logins fail, those that follow wait, whoever tries."""
    shutil.copytree(files, directory, dirs_exist_ok=True)
    return network_of(kept(CONFIGURATION, box=SERVICE))


@pytest.fixture(scope="module")
def shared_network(shared: Callable[..., Server], files: Path) -> Network:
    """A network for all the tests of a module that change nothing in it, and of which none fails to log in."""
    return network_of(shared(CONFIGURATION, files=files, box=SERVICE))


@pytest.fixture
def network(shared_network: Network, files: Path) -> Iterator[Network]:
    """The shared network, for a test that changes files or services; afterwards it is again what it was."""
    shared_network.audited = 0
    shared_network.audited = len(shared_network.journal())
    shared_network.server.forget_log()
    yield shared_network
    shutil.copytree(files, shared_network.directory, dirs_exist_ok=True)
    configure(shared_network.directory, CONFIGURATION, {"box": SERVICE})
    (shared_network.directory / "gate").unlink(missing_ok=True)
    shared_network.ask("default", "reload", "restart all")
