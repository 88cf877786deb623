"""Each kind of listener: where it listens, what it takes its clients for, and certificates that are renewed."""

from __future__ import annotations

import grp
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.certificates import make_certificates
from tests.conftest import ROOT, SECONDS, Server, ask_unix, read_to_end, read_until, wait_for
from tests.live.security.clients import needs
from tests.live.security.conftest import SERVICE, TOKENS, Network

IAC = b"\xff"
HELP = b"help -s\n"


def port_of(server: Server, place: int) -> int:
    """The port of a listener by its place in the configuration; the default one is 0."""
    listening = server.wait_for_log(r"^listening on (.*)$").group(1)
    return int(listening.split(", ")[place].rpartition(":")[2])


def test_a_mode_says_what_clients_are_taken_for(kept: Callable[..., Server]) -> None:
    modes = ("telnet", "raw", "json")
    server = kept("".join(f'[listeners.{mode}]\ntcp = "127.0.0.1:0"\nmode = "{mode}"\n' for mode in modes))
    with ExitStack() as stack:
        telnet, raw, program = (
            stack.enter_context(socket.create_connection(("127.0.0.1", port_of(server, place)), SECONDS))
            for place in (1, 2, 3)
        )
        assert read_until(telnet, IAC).startswith(IAC)  # before it has said anything, or been silent for long
        with server.connect() as other:
            read_until(other, IAC)  # who is silent is a person, where nothing says otherwise
        raw.sendall(HELP)
        assert read_until(raw, b"\n").startswith(b"TOP:")
        program.sendall(HELP)
        assert json.loads(read_until(program, b"\n"))["error"]["code"] == -32700  # JSON-RPC 2.0, 5.1


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
def test_ipv6_is_a_listener_as_any_other(kept: Callable[..., Server]) -> None:
    server = kept('[listeners.six]\ntcp = "[::1]:0"\nallow = ["::1"]\n')
    assert re.search(r", \[::1\]:\d+$", server.wait_for_log(r"^listening on (.*)$").group(1))
    with socket.create_connection(("::1", port_of(server, 1)), SECONDS) as connection:
        connection.sendall(HELP)
        assert read_until(connection, b"\n").startswith(b"TOP:")


def test_sockets_of_systemd_are_taken_by_their_names(start: Callable[..., Server], directory: Path) -> None:
    (directory / "smanager.toml").write_text(
        '[listeners.lan]\nsystemd = "lan"\nlogin = "required"\n[listeners.near]\nsystemd = "near"\nmode = "raw"\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as lan, socket.socket(socket.AF_UNIX) as near:
        near.bind("near.sock")
        near.listen()
        given = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "near:lan"}
        script = (
            f"import os, sys; os.dup2({near.fileno()}, 3); os.dup2({lan.fileno()}, 4); "
            f"os.environ.update({given!r}, LISTEN_PID=str(os.getpid())); "
            f"os.execv(sys.executable, [sys.executable, {str(ROOT / 'smanager.py')!r}, '--services', 'services'])"
        )
        server = Server(command=[sys.executable, "-c", script], pass_fds=(lan.fileno(), near.fileno()))
        try:
            assert server.ask("help") == "*** log in first with a line: auth TOKEN\n"
            assert "root" in ask_unix("near.sock", "whoami\n")
        finally:
            assert server.stop() == 0
    assert Path("near.sock").exists()  # it is systemd's, and stays for the next one


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_the_file_of_a_unix_socket_is_whose_it_should_be(kept: Callable[..., Server], directory: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    kept(
        '[listeners.plain]\nunix = "plain.sock"\n'
        f'[listeners.given]\nunix = "given.sock"\npermissions = "0660"\nowner = "nobody"\ngroup = "{group}"\n'
        '[listeners.numbered]\nunix = "numbered.sock"\nowner = 4242\ngroup = "4243"\n'
    )
    numbered = (directory / "numbered.sock").stat()
    assert (numbered.st_uid, numbered.st_gid) == (4242, 4243)
    plain, given = ((directory / name).stat() for name in ("plain.sock", "given.sock"))
    assert (stat.S_IMODE(plain.st_mode), plain.st_uid) == (0o600, 0)
    assert (stat.S_IMODE(given.st_mode), given.st_uid != 0, given.st_gid) == (0o660, True, os.getgid())


def test_certificates_are_renewed_without_ending_a_session(network: Network, tmp_path: Path) -> None:
    def certificate(connection: socket.socket) -> bytes:
        assert isinstance(connection, ssl.SSLSocket)
        return connection.getpeercert(binary_form=True) or b""

    renewed = tmp_path / "renewed"
    renewed.mkdir()
    make_certificates(renewed, clients=())  # before the session, which would be closed for its silence
    with network.connect("tls") as before:
        before.sendall(f"auth {TOKENS['root']}\n".encode())
        before.sendall(b"box open\n")
        assert read_until(before, b"\n") == b"opened\n"
        shutil.copytree(renewed, network.directory, dirs_exist_ok=True)
        change = "change listeners.tls: its certificates have changed\n"
        assert network.ask("default", "reload --dry-run") == network.ask("default", "reload") == change
        assert network.ask("default", "reload") == "nothing has changed\n"
        with network.connect("tls") as after:
            renewed_one = certificate(after)
            assert renewed_one != certificate(before)
        before.sendall(b"box close\n")
        assert read_until(before, b"\n") == b"closed\n"
    (network.directory / "server.pem").write_text("no certificate")
    for command in ("reload --dry-run", "reload"):
        assert network.ask("default", command).startswith("*** reload: [listeners.tls] ")
    with network.connect("tls") as still:
        assert certificate(still) == renewed_one
    shutil.copytree(renewed, network.directory, dirs_exist_ok=True)


MODES = ("auto", "telnet", "raw", "json")
LOGINS = ("none", "required")
KINDS = [(mode, login) for mode in MODES for login in LOGINS]


@pytest.fixture(scope="module")
def browsed(shared: Callable[..., Server]) -> tuple[Server, list[int]]:
    """A manager with a listener of each kind, and their ports."""
    listener = '[listeners.{0}-{1}]\ntcp = "127.0.0.1:0"\nmode = "{0}"\nlogin = "{1}"\n'
    server = shared("".join(listener.format(*kind) for kind in KINDS), box=SERVICE)
    return server, [port_of(server, place) for place, _ in enumerate(KINDS, 1)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["PROPPATCHXYZ", "m1"])
@pytest.mark.parametrize("login", LOGINS)
def test_a_browser_is_refused_whatever_its_method_and_the_listeners_mode(
    browsed: tuple[Server, list[int]], mode: str, method: str, login: str
) -> None:
    server, ports = browsed
    server.forget_log()
    request = b'{"jsonrpc": "2.0", "id": 1, "method": "box.open"}' if mode == "json" else b"box open\r\n"
    with (
        socket.create_connection(("127.0.0.1", ports[KINDS.index((mode, login))]), SECONDS) as connection,
        suppress(OSError),
    ):
        connection.sendall(f"{method} /{'x' * 100} HTTP/1.1\r\nHost: here\r\n\r\n".encode() + request + b"\r\n" * 20)
        told = read_to_end(connection)
        assert b"opened" not in told
        assert b"login:" not in told
    server.wait_for_log("closed: the client speaks HTTP")
    journal = server.directory / "state" / "audit.jsonl"
    assert not journal.exists() or '"name":"box' not in journal.read_text()


def test_a_browser_is_refused_in_whatever_pieces_its_first_line_comes(server: Server) -> None:
    request = f"POST /{'A' * 10_000} HTTP/1.1\r\nHost: here\r\n\r\nhostname\r\n".encode()
    for size in (1, 1460, 8192):
        with server.connect() as connection, suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for place in range(0, len(request), size):
                connection.sendall(request[place : place + size])
            assert read_to_end(connection) == b""
    wait_for(lambda: len(re.findall("closed: the client speaks HTTP", server.log)) == 3, lambda: server.log)


@needs("curl")
@pytest.mark.parametrize(
    "arguments",
    [
        ["dict://{}/box:open"],
        ["gopher://{}/_box%20open%0d%0aHost:%20x"],
        ["gopher://{}/_%0d%0aGET%20/box%20open%20HTTP/1.1%0d%0abox%20open"],
        ["http://{}/", "--http0.9", "--request", "box open\nGET"],
        ["http://{}/", "--http0.9", "--data-binary", "\nbox open\n"],
        ["http://{}/", "--http0.9", "--header", "Host;", "--http1.0", "--data-binary", "\nbox open\n"],
        ["rtsp://{}/", "--data-binary", "\nbox open\n"],
        ["mqtt://{}/box/open"],
        ["ldap://{}/", "--user", "cn=x\nbox open\n:pw"],
        ["smb://u:p@{}/box/open"],
    ],
    ids=lambda arguments: arguments[0].partition("{")[0],
)
def test_curl_runs_nothing_whatever_its_url(browsed: tuple[Server, list[int]], arguments: list[str]) -> None:
    server, ports = browsed
    server.forget_log()
    command = [argument.format(f"127.0.0.1:{ports[0]}") for argument in arguments]
    with subprocess.Popen(["curl", "--silent", "--max-time", "2", *command], stdout=subprocess.PIPE) as curl:
        server.wait_for_log("closed: the client speaks ")
        if command[0].startswith("smb:"):
            curl.terminate()  # it does not notice the close, and takes a whole processor until its time is over
        assert curl.communicate(timeout=SECONDS)[0] == b""
    journal = server.directory / "state" / "audit.jsonl"
    assert '"event":"command"' not in journal.read_text()
    assert '"event":"refused"' not in journal.read_text()


@pytest.mark.parametrize("before", [b"\r\n", b"box open\r\n"])
@pytest.mark.parametrize("mode", MODES)
def test_what_stands_before_a_request_is_refused_with_it(
    browsed: tuple[Server, list[int]], mode: str, before: bytes
) -> None:
    server, ports = browsed
    server.forget_log()
    with (
        socket.create_connection(("127.0.0.1", ports[KINDS.index((mode, "none"))]), SECONDS) as connection,
        suppress(OSError),
    ):
        connection.sendall(before + b"POST /box open HTTP/1.1\r\nHost: here\r\n\r\nbox open\r\n")
        assert b"opened" not in read_to_end(connection)
    server.wait_for_log("closed: the client speaks HTTP")


@pytest.mark.parametrize(
    "line",
    ["hostname hello HTTP/2", "hostname 'hello HTTP/1.1'", "hostname", "GET", '{"x": ["speaks HTTP/2"]}', "* / HTTP/x"],
)
def test_a_script_may_speak_of_http(seed_server: Server, line: str) -> None:
    assert seed_server.ask(f"{line}\n")


@pytest.mark.parametrize(
    ("name", "mode", "remedy"),
    [
        ("server.pem", 0o620, "other users may write it; `chmod go-w"),
        ("server.pem", 0o604, "every user may read this key; `chmod o="),
        ("ca.pem", 0o666, "other users may write it; `chmod go-w"),
        ("ca.pem", None, "belongs to user id "),
    ],
)
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_tls_files_that_others_may_have_written_are_refused(
    network: Network, name: str, mode: int | None, remedy: str
) -> None:
    path = network.directory / name
    os.chown(path, 65534, -1) if mode is None else path.chmod(mode)
    assert remedy in network.ask("default", "reload")
    assert network.ask("tls", "box open", token=TOKENS["root"]) == "opened\n"


def test_who_is_sent_away_during_the_handshake_is_gone(network: Network) -> None:
    with socket.create_connection(("127.0.0.1", network.ports["tls"]), SECONDS) as connection:
        connection.sendall(b"\x16\x03\x01")
        wait_for(lambda: "not logged in" in network.ask("default", "who"), "the client")
        (number,) = re.findall(r"^(\d+)\t.*not logged in", network.ask("default", "who"), re.MULTILINE)
        network.ask("default", f"kick {number}")
        assert "not logged in" not in network.ask("default", "who")
        with suppress(OSError):
            assert read_to_end(connection) == b""


@needs("openssl")
def test_a_client_that_goes_at_once_leaves_no_traceback(own_network: Network) -> None:
    for _ in range(10):  # as everybody does who looks at a certificate
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{own_network.ports['tls']}", "-CAfile", "ca.pem"]
        subprocess.run(command, input=b"\n", capture_output=True, timeout=SECONDS, check=True)
    assert own_network.ask("tls", "box open", token=TOKENS["root"]) == "opened\n"
    own_network.server.stop()
    assert "Traceback" not in own_network.server.log


CROWD = 400  # clients that connect and go no further

MOST_MEMORY = 40 * 1024  # bytes for each of them


def memory_of(server: Server) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found
    return 1024 * int(found[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs procfs")
def test_tls_clients_that_go_no_further_take_little_memory_and_keep_nobody_out(
    kept: Callable[..., Server], directory: Path
) -> None:
    make_certificates(directory, clients=())
    server = kept('[listeners.tls]\ntcp = "127.0.0.1:0"\ntls = { certificate = "server.pem" }\n')
    address = ("127.0.0.1", port_of(server, 1))
    context = ssl.create_default_context(cafile=directory / "ca.pem")

    def ask() -> str:
        with (
            socket.create_connection(address, SECONDS) as connection,
            context.wrap_socket(connection, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"whoami\nquit\n")
            return read_to_end(secure).decode()

    assert ask()
    before = memory_of(server)
    with ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(address, SECONDS)) for _ in range(CROWD)]
        assert ask()
        assert memory_of(server) - before < CROWD * MOST_MEMORY
        for connection in crowd:
            with suppress(OSError):
                connection.sendall(b"\x16")  # the first byte of a ClientHello
        assert ask()
        assert memory_of(server) - before < CROWD * MOST_MEMORY
