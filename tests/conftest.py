"""What tests share: the real program, started on a free port, and plain sockets to it."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings

from tests.nursery import Copy, Nursery
from tests.processes import Shown, shown

ROOT = Path(__file__).resolve().parents[1]

SEED_SERVICE = '''
from smanager import SService


class SystemStatus(SService):
    """Simple example SService implementation"""

    def cmd_uptime(self):
        """Returns uptime of system"""
        return " 12:20:43 up 12 days, 14:36,  6 users,  load average: 0.28, 0.39, 0.46"

    def toplevel_cmd_hostname(self):
        """Returns hostname of system"""
        return "mycomputerhostname"
'''
"""The seed's own service, with the seed's own answers."""

SECONDS = 30.0
"""How long anything may take that a test waits for; a busy machine is slow, not broken."""

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.05
"""Seconds between two looks at what a test waits for: most of it comes at once, and a look may be a command."""


settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", settings.get_profile("busy"), max_examples=10)  # which reach as many lines
settings.load_profile("busy")

for number in (signal.SIGHUP, signal.SIGQUIT):  # nohup and shells have what runs in the background ignore them
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for(condition: Callable[[], object], what: str | Callable[[], str]) -> None:
    """Wait until `condition` holds; `what`, or what it then returns, says what did not come."""
    deadline = time.monotonic() + SECONDS
    pause = FIRST_PAUSE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {SECONDS:g} s for: {what if isinstance(what, str) else what()}")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


TEMPLATE, GUARD = "smanager:templa", "sh"  # names of processes, of which the system keeps 15 letters


class Server:
    """The running program."""

    nursery: ClassVar[Nursery]

    def __init__(
        self,
        *arguments: str,
        command: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        directory: Path | None = None,
    ) -> None:
        """Start it with these arguments, as a copy if that makes no difference, or else by another command."""
        self.directory = directory or Path.cwd()
        self.command = command or [sys.executable, str(ROOT / "smanager.py"), "--port", "0", *arguments]
        self.process: Copy | subprocess.Popen[str]
        if not command and self.nursery.suits():
            self.process = self.nursery.start(self.command[1:], self.directory)
        else:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                pass_fds=pass_fds,
                cwd=directory,
            )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_for(lambda: self.find(r"^listening on ") or self.process.poll() is not None, "listening")
        found = self.find(r"^listening on (.*?):(\d+)(,|$)")
        if not found:
            self.process.kill()
            pytest.fail(f"it did not start:\n{self.log}")
        self.host, self.port = found.group(1), int(found.group(2))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first place in the log that matches."""
        return re.search(pattern, self.log, re.MULTILINE)

    def wait_for_log(self, pattern: str) -> re.Match[str]:
        wait_for(lambda: self.find(pattern), lambda: f"{pattern} in the log:\n{self.log}")
        found = self.find(pattern)
        assert found
        return found

    def forget_log(self) -> None:
        """Begin anew with the log, as for a test that another one has shared the manager with."""
        self.lines.clear()

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=SECONDS)

    def ask_bytes(self, text: bytes) -> bytes:
        """What a script that sends this and half-closes is answered."""
        with self.connect() as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            return read_to_end(connection)

    def ask(self, line: str) -> str:
        return self.ask_bytes(line.encode()).decode()

    def children(self) -> list[int]:
        """The process ids of the hosts."""
        return [process.pid for process in self._processes() if process.name not in (TEMPLATE, GUARD)]

    def templates(self) -> list[int]:
        """The process id of the template that hosts are copies of, if there is one."""
        return [process.pid for process in self._processes() if process.name == TEMPLATE]

    def _processes(self) -> list[Shown]:
        return [process for process in shown() if process.parent == self.process.pid]

    def stop(self) -> int:
        """End it as an administrator would; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(SECONDS)
        if self.process.stderr:
            self.process.stderr.close()
        return status


def run_program(
    program: Path,
    *arguments: str,
    given: bytes = b"",
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run `smanager.py`, `tshell.py` or a program of a test's own to its end on the bytes `given`."""
    command = [str(program), *arguments]
    return Server.nursery.run(command, directory or Path.cwd(), given, environment or os.environ, SECONDS)


def as_text(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def read_to_end(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to and with `end`."""
    received = b""
    while end not in received:
        piece = connection.recv(65536)
        assert piece, f"the server closed before {end!r}; it sent {received!r}"
        received += piece
    return received


def ask_unix(path: str, text: str) -> str:
    """What a script on a unix socket is answered."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        connection.connect(path)
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_WR)
        return read_to_end(connection).decode()


def write_service(directory: Path, text: str, name: str = "systemstatus.py") -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(text)
    return path


def configure(directory: Path, configuration: str, services: dict[str, str]) -> tuple[str, ...]:
    """Write a configuration and services files; returns the options with which a manager in `directory` reads them."""
    (directory / "services").mkdir(exist_ok=True)
    for name, text in services.items():
        write_service(directory / "services", text, f"{name}.py")
    (directory / "smanager.toml").write_text(configuration)
    return ("--services", "services", "--state-dir", "state")


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without looking for rubbish: what there is then stays to the end, and is looked at no more."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def state_home() -> Iterator[Path]:
    """Where the managers of this run have their places; a short path, since a socket's has room for some 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="state-") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", directory)
        Server.nursery = Nursery()
        yield Path(directory)
        Server.nursery.close()


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A services directory with the seed's service in it."""
    directory = tmp_path / "services"
    write_service(directory, SEED_SERVICE)
    return directory


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test."""
    servers: list[Server] = []

    def start_one(*arguments: str | Path) -> Server:
        servers.append(Server(*map(str, arguments)))
        return servers[-1]

    yield start_one
    for server in servers:
        server.stop()


@pytest.fixture
def server(start: Callable[..., Server], services: Path) -> Server:
    """The seed's service, served."""
    return start("--services", services)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that refuses connections and that a server can be started on: it is bound, so nobody else is given it."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the servers that `kept` starts."""
    (tmp_path / "services").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kept(directory: Path, start: Callable[..., Server]) -> Callable[..., Server]:
    """Start a manager with this configuration and these services files, and a state directory."""

    def start_one(configuration: str = "", **services: str) -> Server:
        return start(*configure(directory, configuration, services))

    return start_one


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start managers as `kept` does, each for all the tests of a module, which leave it as they find it.

    They may be given further options, and a directory whose files they find in their own.
    """
    servers: list[Server] = []

    def start_one(configuration: str = "", *options: str | Path, files: Path | None = None, **services: str) -> Server:
        directory = tmp_path_factory.mktemp("shared")
        if files:
            shutil.copytree(files, directory, dirs_exist_ok=True)
        servers.append(Server(*configure(directory, configuration, services), *map(str, options), directory=directory))
        return servers[-1]

    yield start_one
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def lasting(shared: Callable[..., Server]) -> Server:
    """A manager that serves one configuration of `reloaded` after the other."""
    return shared()


@pytest.fixture
def reloaded(lasting: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Give a manager this configuration and these services files as `kept` does, but by a reload: a start takes longer.

    It remembers what earlier tests did, and is empty when a test begins.
    """
    monkeypatch.chdir(lasting.directory)

    def reload(configuration: str = "", **services: str) -> Server:
        configure(lasting.directory, configuration, services)
        lasting.ask("reload")
        return lasting

    yield reload
    for left in lasting.directory.iterdir():
        if left.name != "state":
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    configure(lasting.directory, "", {})
    assert "***" not in lasting.ask("reload")
    lasting.forget_log()


@pytest.fixture(scope="module")
def seed_server(shared: Callable[..., Server]) -> Server:
    """The seed's service, served to a whole module of tests that leave it as it is."""
    return shared(systemstatus=SEED_SERVICE)


def is_in(server: Server, name: str, state: str) -> None:
    """Wait until a service is in a state."""
    assert server.ask(f"wait {name} {state} --timeout {SECONDS:g}") == ""
