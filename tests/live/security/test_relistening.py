"""`reload` applies what has changed in `[listeners]`, and interrupts nothing else."""

from __future__ import annotations

import re
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.certificates import make_certificates
from tests.conftest import ROOT, SECONDS, SEED_SERVICE, Server, ask_unix, read_to_end, read_until
from tests.live.clients import line_mode, smanager
from tests.live.security.clients import needs

HERE = '[listeners.here]\nunix = "here.sock"\n'


@pytest.fixture(scope="module")
def manager(shared: Callable[..., Server]) -> Server:
    """A manager with the listener of its options, which every test changes the file of."""
    return shared(systemstatus=SEED_SERVICE)


@pytest.fixture
def server(manager: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(manager.directory)
    yield manager
    reload(manager, "")


def reload(server: Server, text: str, *options: str) -> list[str]:
    """The lines of a reload with this configuration."""
    Path("smanager.toml").write_text(text)
    return server.ask(" ".join(["reload", *options])).splitlines()


def pid(server: Server) -> str:
    found = re.search(r'"pid": (\d+)', server.ask("status --json"))
    assert found
    return found[1]


def tcp(port: int, more: str = "", name: str = "lan", address: str = "127.0.0.1") -> str:
    return f'[listeners.{name}]\ntcp = "{address}:{port}"\n{more}\n'


def ask(port: int, line: str = "hostname") -> str:
    """What the listener at a port answers; empty if it is not there, or closes the connection without an answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
            connection.sendall(f"{line}\n".encode())
            with suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_WR)
            return read_to_end(connection).decode()
    except ConnectionError:
        return ""


def test_a_new_one_is_opened_and_one_that_is_gone_is_closed(server: Server) -> None:
    before, path = pid(server), f"{server.directory}/here.sock"
    assert reload(server, HERE, "--dry-run") == [f"open listeners.here: {path} is new"]
    assert not Path("here.sock").exists()
    assert reload(server, HERE) == [f"open listeners.here: {path} is new"]
    assert reload(server, HERE) == ["nothing has changed"]
    assert ask_unix("here.sock", "hostname") == "mycomputerhostname\n"
    with socket.socket(socket.AF_UNIX) as person, line_mode(server) as elsewhere:
        person.connect("here.sock")
        read_until(person, b"\r\n>")
        said = reload(server, "")
        assert said[0] == f"close listeners.here: {path} is gone"
        assert re.fullmatch("end the session of .* from a unix socket, .*: its listener has changed", said[1])
        assert b"this listener is closed" in read_to_end(person)
        elsewhere.sendall(b"hostname\n")
        assert b"mycomputerhostname" in read_until(elsewhere, b"\r\n>")
    assert not Path("here.sock").exists()
    assert pid(server) == before


def test_who_may_connect_is_changed_for_those_who_are_there_too(server: Server, free_port: int) -> None:
    reload(server, tcp(free_port))
    with socket.create_connection(("127.0.0.1", free_port), SECONDS) as person:
        read_until(person, b"\r\n>")
        assert reload(server, tcp(free_port, 'allow = ["127.0.0.0/8"]')) == ["change listeners.lan: other allow"]
        said = reload(server, tcp(free_port, 'allow = ["192.0.2.0/24"]'))
        assert said[0] == "change listeners.lan: other allow"
        assert re.fullmatch(r"end the session of 127\.0\.0\.1:\d+: its listener has changed", said[1])
        assert b"this listener has changed: connect again" in read_to_end(person)
    assert ask(free_port) == ""
    reload(server, tcp(free_port))
    assert ask(free_port) == "mycomputerhostname\n"


@pytest.mark.parametrize("change", ['roles = ["view"]', 'login = "required"\nroles = ["admin"]'])
def test_rights_that_are_lost_end_the_sessions_that_have_them(server: Server, free_port: int, change: str) -> None:
    reload(server, tcp(free_port))
    with socket.create_connection(("127.0.0.1", free_port), SECONDS) as person:
        read_until(person, b"\r\n>")
        assert len(reload(server, tcp(free_port, change))) == 2
        assert b"this listener has changed" in read_to_end(person)
    assert ask(free_port, "kill").startswith("*** ")
    assert server.process.poll() is None


def test_a_listener_may_have_another_name_mode_or_file_mode(server: Server) -> None:
    reload(server, HERE)
    with socket.socket(socket.AF_UNIX) as person:
        person.connect("here.sock")
        read_until(person, b"\r\n>")
        there = HERE.replace("here]", "there]") + 'permissions = "0660"\nmode = "json"\n'
        assert reload(server, there) == ["change listeners.there: other name, mode, permissions"]
        assert Path("here.sock").stat().st_mode & 0o777 == 0o660
        person.sendall(b"hostname\n")
        assert b"mycomputerhostname" in read_until(person, b"\r\n>")
    assert '"error"' in ask_unix("here.sock", "hostname\n")


def test_a_port_in_use_is_refused_and_nothing_is_changed(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for option in ("--dry-run", ""):
            (said,) = reload(server, HERE + tcp(port), option)
            assert said.startswith(f"*** reload: cannot listen on 127.0.0.1:{port}: address already in use; ")
            assert not Path("here.sock").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('tls = { certificate = "none.pem" }', "[listeners.lan] "),
        ('roles = ["none"]', "[listeners.lan] there is no role none; "),
        ('login = "required"', "0.0.0.0:{port} can be reached from other machines, and an eavesdropper could read "),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_changed(
    server: Server, free_port: int, more: str, message: str
) -> None:
    reload(server, tcp(free_port))
    (said,) = reload(server, tcp(free_port, more, address="0.0.0.0"))
    assert message.format(port=free_port) in said
    assert said.startswith("*** reload: ")
    assert ask(free_port) == "mycomputerhostname\n"


def test_a_port_may_serve_all_addresses_instead_of_one(server: Server, free_port: int) -> None:
    reload(server, tcp(free_port))
    assert reload(server, tcp(free_port, "insecure = true", address="0.0.0.0")) == [
        f"close listeners.lan: 127.0.0.1:{free_port} is gone",
        f"open listeners.lan: 0.0.0.0:{free_port} is new",
    ]
    with socket.create_connection(("127.0.0.2", free_port), SECONDS) as connection:
        connection.sendall(b"hostname\n")
        assert connection.recv(100) == b"mycomputerhostname\n"


def test_if_another_program_has_such_an_address_the_old_one_is_served_again(server: Server, free_port: int) -> None:
    reload(server, tcp(free_port))
    with socket.create_server(("127.0.0.2", free_port)):
        said = reload(server, tcp(free_port, "insecure = true", address="0.0.0.0"))
        assert said[-1].startswith(f"*** cannot listen on 0.0.0.0:{free_port}: address already in use")
        assert ask(free_port) == "mycomputerhostname\n"
    said = reload(server, tcp(free_port, "insecure = true", address="0.0.0.0"))
    assert said[-1] == f"open listeners.lan: 0.0.0.0:{free_port} is new"


@needs("openssl")
def test_tls_comes_and_goes(server: Server, free_port: int) -> None:
    make_certificates(server.directory, clients=())
    reload(server, tcp(free_port))
    with_tls = tcp(free_port, 'tls = { certificate = "server.pem", key = "server.key" }')
    assert reload(server, with_tls) == ["change listeners.lan: other tls"]
    assert ask(free_port) == ""
    with socket.create_connection(("127.0.0.1", free_port), SECONDS) as connection:
        context = ssl.create_default_context(cafile=server.directory / "ca.pem")
        with context.wrap_socket(connection, server_hostname="localhost") as encrypted:
            encrypted.sendall(b"hostname\n")
            assert encrypted.recv(100) == b"mycomputerhostname\n"
    assert reload(server, tcp(free_port)) == ["change listeners.lan: other tls"]
    assert ask(free_port) == "mycomputerhostname\n"


def test_who_closes_their_own_listener_sees_how_it_went(server: Server) -> None:
    reload(server, HERE)
    Path("smanager.toml").write_text("")
    assert ask_unix("here.sock", "reload; hostname") == (
        f"close listeners.here: {server.directory}/here.sock is gone\nmycomputerhostname\n"
    )


def test_a_socket_whose_file_was_deleted_is_opened_again(server: Server) -> None:
    reload(server, HERE)
    for path in (Path("here.sock"), Path("state/socket")):
        path.unlink()
    said = reload(server, HERE)
    assert said == [
        f"close listeners.here: {server.directory}/here.sock is gone",
        f"close listeners.attach: {server.directory}/state/socket is gone",
        f"open listeners.here: {server.directory}/here.sock is new",
        f"open listeners.attach: {server.directory}/state/socket is new",
    ]
    assert ask_unix("here.sock", "hostname") == "mycomputerhostname\n"
    assert smanager("hostname", cwd=server.directory).stdout == "mycomputerhostname\n"


def test_the_default_listener_goes_by_the_file_too(directory: Path, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    Path("smanager.toml").write_text(f"port = {free_port}\n")
    server = Server(command=[sys.executable, str(ROOT / "smanager.py"), "--services", "services"])
    try:
        Path("smanager.toml").write_text(f"port = {port}\n")
        assert server.ask("reload").splitlines() == [
            f"close listeners.default: 127.0.0.1:{free_port} is gone",
            f"open listeners.default: 127.0.0.1:{port} is new",
        ]
        assert ask(port, "help -s").startswith("TOP:")
        assert ask(free_port) == ""
    finally:
        server.stop()
