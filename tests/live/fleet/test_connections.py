"""Hubs that must not be used, or cannot: what is said, and that it costs nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smanager.fleet import hub as hub_module
from smanager.fleet.client import FleetClient
from smanager.fleet.hub import Hub, HubAccess, HubError
from smanager.fleet.user import HubUser
from tests.certificates import make_certificates
from tests.conftest import SEED_SERVICE, Server, wait_for
from tests.live.fleet.hubs import NatsServer, nats_server

PUBLIC_KEY = "UCP7HBTFBFTYTJGHEXEEC4WM2CI75WNGGFGJMM4PKMOPRSA7AYXIBTES"
WITHOUT_LOGIN = 'tls {{ cert_file: "{0}/server.crt", key_file: "{0}/server.key" }}\n'


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make_certificates(directory, [])
    (directory / "other").mkdir()
    make_certificates(directory / "other", [])
    (directory / "seed.nk").write_text("SUAM" + "A" * 54)
    (directory / "seed.nk").chmod(0o600)
    return directory


class AnyHub:
    """A NATS server on a port that it picks, with settings of the test."""

    def __init__(self, directory: Path, settings: str) -> None:
        (directory / "nats.conf").write_text(f'listen: "127.0.0.1:-1"\nports_file_dir: "{directory}"\n{settings}')
        self.server = NatsServer(directory)
        ports = f"nats-server_{self.server.process.pid}.ports"
        wait_for((directory / ports).exists, "the file of ports")
        wait_for(lambda: (directory / ports).read_text().endswith("}"), "all of it")
        [url, *_] = json.loads((directory / ports).read_text())["nats"]
        self.port = int(url.rpartition(":")[2])


@pytest.fixture
def a_hub(tmp_path: Path) -> Iterator[Callable[[str], int]]:
    """Start a NATS server with these settings; returns its port."""
    hubs: list[AnyHub] = []

    def start(settings: str) -> int:
        directory = tmp_path / f"hub{len(hubs)}"
        directory.mkdir()
        hubs.append(AnyHub(directory, settings))
        return hubs[-1].port

    yield start
    for hub in hubs:
        hub.server.kill()


def problem_of(access: HubAccess, directory: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a user is told who connects to a hub."""
    monkeypatch.setattr("smanager.fleet.client.CONNECT_SECONDS", 0.3)

    async def connect() -> None:
        async with FleetClient(HubUser("alice", access), directory):
            pass

    with pytest.raises(HubError) as caught:
        asyncio.run(connect())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_hub_that_lets_anyone_in_is_not_used_on_another_machine(
    a_hub: Callable[[str], int], certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = f"tls://localhost:{a_hub(WITHOUT_LOGIN.format(certificates))}"
    access = HubAccess((server,), certificates / "seed.nk", certificates / "ca.pem")
    monkeypatch.setattr(hub_module, "is_on_this_machine", lambda _: False)
    problem = f"no hub: {server}: it lets anyone in, who could pass for any user; give it users"
    assert problem_of(access, tmp_path, monkeypatch) == problem

    async def connect() -> None:
        async with FleetClient(HubUser("alice", access._replace(insecure=True)), tmp_path) as alice:
            assert alice.problem == ""

    asyncio.run(connect())


def test_a_hub_with_a_certificate_of_somebody_else_is_not_used(
    a_hub: Callable[[str], int], certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = a_hub(WITHOUT_LOGIN.format(certificates))
    for server, ca in ((f"tls://localhost:{port}", "other/ca.pem"), (f"tls://localhost.localdomain:{port}", "ca.pem")):
        monkeypatch.setattr(socket, "getaddrinfo", of_loopback(port))
        problem = problem_of(HubAccess((server,), certificates / "seed.nk", certificates / ca), tmp_path, monkeypatch)
        assert problem.startswith(f"no hub: {server}: ")
        assert problem.endswith("; ca should name the hub's authority, and servers a name of its certificate")


def of_loopback(port: int) -> Callable[..., object]:
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.mark.parametrize("scheme", ["tls", "nats"])
def test_a_hub_that_does_not_speak_tls_is_not_used_where_tls_is_asked_for(
    a_hub: Callable[[str], int], certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    server = f"{scheme}://localhost:{a_hub('')}"
    problem = problem_of(HubAccess((server,), ca=certificates / "ca.pem"), tmp_path, monkeypatch)
    assert problem == f"no hub: {server}: it does not speak TLS, and should, since servers or ca ask for that"


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        ("", 0o600, "it should hold a user's seed, which is SU and 56 more letters, or NATS credentials"),
        ("SUGARBAGE", 0o600, "it should hold a user's seed"),
        ("SU" + "A" * 56, 0o600, "it has ended the connection; were these credentials revoked?"),
        ("-----BEGIN NATS USER JWT-----\nx", 0o600, ""),
        ("SU" + "A" * 56, 0o644, "others may read it; `chmod 600`"),
        (None, 0o600, "o such file or directory; it should hold credentials for the hub"),
    ],
)
def test_credentials_that_are_none_are_named(
    a_hub: Callable[[str], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str | None,
    mode: int,
    problem: str,
) -> None:
    login = f"authorization {{ users = [{{ nkey: {PUBLIC_KEY} }}] }}\n"
    server = f"nats://127.0.0.1:{a_hub(login)}"
    file = tmp_path / "alice.nk"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    assert problem in problem_of(HubAccess((server,), file), tmp_path, monkeypatch)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_hub_that_says_nothing_costs_no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "CONNECT_SECONDS", 0.02)
    monkeypatch.setattr(hub_module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(hub_module, "LONGEST_PAUSE", 0.001)

    async def welcome(_: object) -> None:
        pass

    async def attempts() -> None:
        hub = Hub(HubAccess((f"nats://127.0.0.1:{listener.getsockname()[1]}",)), "box", "_INBOX_box", welcome)
        begun = asyncio.Event()
        problems: list[str] = []

        def changed() -> None:
            problems.append(hub.problem)
            if len(problems) == 20:
                begun.set()

        trying = asyncio.create_task(hub.run(changed))
        await begun.wait()
        assert problems[-1].endswith("it does not answer within 0.02 s")
        assert descriptors() < before + 10
        trying.cancel()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        before = descriptors()
        asyncio.run(attempts())


FLEET = '[fleet]\nservers = ["nats://127.0.0.1:{port}"]\nname = "box"\nroles = {{ alice = ["view"] }}\n'


def test_a_dead_hub_costs_the_manager_nothing(kept: Callable[..., Server], free_port: int) -> None:
    server = kept(FLEET.format(port=free_port), systemstatus=SEED_SERVICE)
    wait_for(lambda: "connection refused" in server.ask("logs fleet\n"), lambda: server.ask("logs fleet\n"))
    report = server.ask("fleet\n")
    assert "not connected: nats://127.0.0.1" in report
    assert server.ask("hostname\n") == "mycomputerhostname\n"
    assert server.ask("logs fleet\n").count("connection refused") == 1
    assert server.stop() == 0


def test_without_nats_py_the_service_says_in_one_line_what_to_install(
    kept: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    (tmp_path / "missing" / "nats").mkdir(parents=True)
    (tmp_path / "missing" / "nats" / "__init__.py").write_text("raise ImportError('no module of this name')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "missing"))
    server = kept(FLEET.format(port=free_port))
    line = "a fleet needs the package nats-py: pip install 'smanager-shell[fleet]'"
    wait_for(lambda: line in server.ask("why fleet\n"), lambda: server.ask("why fleet\n"))
    assert "Traceback" not in server.ask("logs fleet\n") + server.log
    (tmp_path / "alice.toml").write_text(f'servers = ["nats://127.0.0.1:{free_port}"]\nuser = "alice"\n')
    tshell = [*server.command[:1], str(Path(server.command[1]).parent / "tshell.py"), "--fleet", "alice.toml", "nodes"]
    asked = subprocess.run(tshell, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (asked.returncode != 0, line in asked.stderr, asked.stderr.count("\n")) == (True, True, 1)


def test_the_tests_have_a_nats_server() -> None:
    assert Path(nats_server()).exists()
