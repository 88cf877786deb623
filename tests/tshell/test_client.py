"""The client as its users meet it: a program on a terminal, in a script, and a call, over real sockets.

The server is played by the test: `Stub` answers JSON requests from a table, `Session` is the far end of a
telnet connection, which the test drives byte by byte.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import shlex
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tshell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENT = [sys.executable, tshell.__file__]
DEADLINE = 20.0  # seconds for anything that must happen: long enough for a busy machine, never waited out
IAC, SB, SE, WILL, WONT, DO, DONT = b"\xff", b"\xfa", b"\xf0", b"\xfb", b"\xfc", b"\xfd", b"\xfe"
OPENING = IAC + WILL + b"\x1f" + IAC + WILL + b"\x18" + IAC + DO + b"\x01" + IAC + DO + b"\x03"
OFFER = IAC + WILL + b"\x01" + IAC + WILL + b"\x03" + IAC + DO + b"\x1f" + IAC + DO + b"\x18"
SEND_TERMINAL = IAC + SB + b"\x18\x01" + IAC + SE
SIZE = os.terminal_size((101, 33))


def window(columns: int, lines: int) -> bytes:
    """The subnegotiation that tells a size below 255."""
    return IAC + SB + b"\x1f" + struct.pack("!HH", columns, lines) + IAC + SE


# ---- one-shots, scripts and programs: the JSON face


class Stub:
    """Answers each connection's requests in a thread, and keeps what they asked."""

    def __init__(self, answer: Callable[[str], bytes], listener: socket.socket | None = None) -> None:
        self.lines: list[list[str]] = []  # one list of command lines for each connection
        self.keepalive: list[int] = []
        self._answer = answer
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed: the test is over
            while True:
                connection, _ = self._listener.accept()
                lines: list[str] = []
                self.lines.append(lines)
                with contextlib.suppress(ConnectionError), connection, connection.makefile("rwb") as wire:
                    for request in wire:
                        call = json.loads(request)
                        if call["method"] == "$/cancelRequest":
                            continue
                        assert (call["jsonrpc"], call["method"]) == ("2.0", "shell.execute")
                        params = call["params"]
                        lines.append(params["line"] if isinstance(params, dict) else params[0])
                        answer = self._answer(lines[-1]).replace(b'"id": 1', b'"id": %d' % call["id"])
                        wire.write(answer)
                        wire.flush()
                        if not answer.endswith(b"\n"):
                            break

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


def item(piece: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": "$/item", "params": {"id": 1, "value": piece}}).encode() + b"\n"


def result(output: str, status: int = 0) -> bytes:
    reply = {"jsonrpc": "2.0", "id": 1, "result": {"output": output, "status": status}}
    return json.dumps(reply).encode() + b"\n"


COMMANDS = {
    "hostname": result("box\n"),
    "silent": result(""),
    "two words": result("two\n"),
    "say 'a b' -h": result("a b\n"),
    "partly": result("one\n*** partly: ValueError: no\ntwo\n", 1),
    "stars": result("*** a heading\n"),
    "pieces": item("one") + item("\n*") + item("** cut in") + item("to\n**") + item("bold** *** x\n*") + result(""),
    "nonesuch": result("*** nonesuch: unknown command\n", 2),
    "bytes": result("caf\udce9 \x1b[31m\n"),
    "lone": result("\ud800\n"),
    "refused": b'{"jsonrpc":"2.0","id": 1,"error":{"code":-32601,"message":"Method not found"}}\n',
    "null": b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "not JSON: Infinity"}}\n',
    "ssh": b"SSH-2.0-OpenSSH_9.2\n",
    "deep": b"[" * 100_000 + b"\n",
    "cut": b'{"jsonrpc":"2.0","id":1,"resu',
    "closed": b"",
    "odd": b'{"jsonrpc":"2.0","id": 1,"result":{"output":5,"status":"0"}}\n',
    "big": result("x" * 5_000_000 + "\n"),
}


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub(COMMANDS.__getitem__)
    yield stub
    stub.close()


def run(
    *arguments: str | int, script: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*CLIENT, *map(str, arguments)],
        input=script,
        capture_output=True,
        timeout=DEADLINE,
        env=os.environ | (environment or {}),
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "output", "errors", "status"),
    [
        (["hostname"], b"box\n", b"", 0),
        (["silent"], b"", b"", 0),
        (["two words"], b"two\n", b"", 0),
        (["two", "words"], b"two\n", b"", 0),
        (["say", "a b", "-h"], b"a b\n", b"", 0),
        (["--", "hostname"], b"box\n", b"", 0),
        (["partly"], b"one\ntwo\n", b"*** partly: ValueError: no\n", 1),
        (["stars"], b"", b"*** a heading\n", 0),
        (["pieces"], b"one\n**bold** *** x\n*", b"*** cut into\n", 0),
        (["nonesuch"], b"", b"*** nonesuch: unknown command\n", 2),
        (["refused"], b"", b"*** Method not found\n", 1),
        (["bytes"], b"caf\xe9 \x1b[31m\n", b"", 0),
        (["lone"], b"?\n", b"", 0),
        (["big"], b"x" * 5_000_000 + b"\n", b"", 0),
    ],
)
def test_a_command_prints_its_output_and_its_status_is_the_exit_status(
    stub: Stub, command: list[str], output: bytes, errors: bytes, status: int
) -> None:
    done = run("-p", stub.port, *command)
    assert (done.stdout, done.stderr, done.returncode) == (output, errors, status)


def test_a_script_runs_its_lines_one_by_one_over_one_connection(stub: Stub) -> None:
    done = run("-p", stub.port, script=b"# a comment\n\n  hostname\r\nnonesuch\npartly\ntwo words")
    assert done.stdout == b"box\none\ntwo\ntwo\n"
    assert done.returncode == 2
    assert stub.lines == [["hostname", "nonesuch", "partly", "two words"]]


def test_a_script_without_commands_needs_no_server(free_port: int) -> None:
    done = run("-p", free_port, script=b"\n# nothing\n")
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


def test_bytes_of_a_script_that_are_no_utf_8_reach_the_server() -> None:
    stub = Stub(lambda line: result(line + "\n"))
    with contextlib.closing(stub):
        assert run("-p", stub.port, script=b"caf\xe9\n").stdout == b"caf\xe9\n"


def test_the_environment_gives_the_defaults_and_options_come_first(stub: Stub, free_port: int) -> None:
    environment = {"SMANAGER_HOST": "127.0.0.1", "SMANAGER_PORT": str(stub.port)}
    assert run("hostname", environment=environment).stdout == b"box\n"
    environment = {"SMANAGER_HOST": "192.0.2.1", "SMANAGER_PORT": str(free_port)}
    assert run("-H", "127.0.0.1", "-p", stub.port, "hostname", environment=environment).stdout == b"box\n"


@pytest.fixture
def unix_stub(tmp_path: Path) -> Iterator[str]:
    """The path of a unix socket where a server answers."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path := str(tmp_path / "s"))
    listener.listen()
    stub = Stub(COMMANDS.__getitem__, listener)
    yield path
    stub.close()


def test_a_unix_socket_takes_the_place_of_host_and_port(unix_stub: str, stub: Stub, free_port: int) -> None:
    assert run("--unix", unix_stub, "hostname").stdout == b"box\n"
    environment = {"SMANAGER_UNIX": unix_stub, "SMANAGER_PORT": str(free_port)}
    assert run(script=b"hostname\n", environment=environment).stdout == b"box\n"
    assert run("-p", stub.port, "hostname", environment=environment).returncode == 0
    assert stub.lines == [["hostname"]]
    with tshell.Client(unix=unix_stub) as client:
        assert client.execute("hostname") == "box\n"


def test_a_unix_socket_and_a_port_are_not_said_together(unix_stub: str, stub: Stub) -> None:
    done = run("--unix", unix_stub, "-p", stub.port, "hostname")
    assert done.returncode == 2
    assert b"--unix cannot be combined with -H, -p, --tls, --ca, --cert or --key\n" in done.stderr


def test_a_unix_socket_where_nobody_listens_is_said_in_one_line(tmp_path: Path) -> None:
    done = run("--unix", f"{tmp_path}/none", "hostname")
    assert done.returncode == 3
    expected = f"tshell: no SManager answers at {tmp_path}/none (No such file or directory); is it running? "
    assert done.stderr.startswith(expected.encode())
    done = run("--unix", "x" * 200, "hostname")
    assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "ten", "1e4", "9" * 5000])
@pytest.mark.parametrize("given_by", ["option", "environment"])
def test_a_bad_port_is_a_usage_error(port: str, given_by: str) -> None:
    done = run(f"-p{port}", "x") if given_by == "option" else run("x", environment={"SMANAGER_PORT": port})
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"SMANAGER_PORT" in done.stderr.splitlines()[-1]


def test_without_a_server_one_line_says_what_was_tried_and_what_to_do(free_port: int) -> None:
    done = run("-p", free_port, "hostname")
    assert done.returncode == 3
    assert done.stderr.decode() == (
        f"tshell: no SManager answers at 127.0.0.1:{free_port} (Connection refused); "
        "is it running? start it with: python3 smanager.py\n"
    )


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".invalid"])
def test_a_host_name_that_cannot_be_one_is_said_in_one_line(host: str) -> None:
    done = run("-H", host, "hostname")
    assert done.returncode == 3
    assert re.fullmatch(rb"tshell: no SManager answers at .*\n", done.stderr)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("closed", b"it closed the connection before answering"),
        ("cut", b"it closed the connection before answering"),
        ("ssh", b"its answer 'SSH-2.0-OpenSSH_9.2' is not an SManager reply"),
        ("deep", b"is not an SManager reply"),
        ("odd", b"is not an SManager reply"),
    ],
)
def test_a_server_that_is_lost_or_none_of_ours_is_said_in_one_line(stub: Stub, command: str, said: bytes) -> None:
    done = run("-p", stub.port, command)
    assert done.returncode == 3
    assert done.stderr.startswith(f"tshell: lost SManager at 127.0.0.1:{stub.port} (".encode())
    assert said in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_reader_that_has_enough_ends_the_client_quietly(stub: Stub) -> None:
    pipeline = f"{shlex.join(CLIENT)} -p {stub.port} big | head -c 3; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipeline], capture_output=True, timeout=DEADLINE, check=True)
    assert (done.stdout, done.stderr) == (b"xxx141\n", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_said_in_one_line(stub: Stub) -> None:
    command = [*CLIENT, "-p", str(stub.port), "hostname"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE, check=False)
    assert done.stderr == b"tshell: cannot write the output: No space left on device\n"
    assert done.returncode == 1


@contextlib.contextmanager
def waiting_client(number: int) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A client that has sent its command, has been sent a signal, and has asked for the command's end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        command = [*CLIENT, "-p", str(listener.getsockname()[1]), "hostname"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.settimeout(DEADLINE)
                assert json.loads(lines.readline())["method"] == "shell.execute"
                client.send_signal(number)
                assert json.loads(lines.readline())["method"] == "$/cancelRequest"
                yield client, connection
            client.kill()


CANCELLED = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32800, "message": "shell.execute: cancelled"}}\n'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_there_and_its_last_words_are_shown(number: int) -> None:
    with waiting_client(number) as (client, connection):
        connection.sendall(item("*** hostname: cancelled\n") + CANCELLED)
        assert client.communicate(timeout=DEADLINE) == (b"", b"*** hostname: cancelled\n")
        assert client.returncode == 128 + number


def test_a_second_ctrl_c_ends_the_client_at_once() -> None:
    with waiting_client(signal.SIGINT) as (client, _):
        began = time.monotonic()
        client.send_signal(signal.SIGINT)
        assert client.communicate(timeout=DEADLINE) == (b"", b"")
        assert client.returncode == 130
        assert time.monotonic() - began < tshell.CANCEL_SECONDS


def test_a_command_that_does_not_end_there_is_not_waited_for() -> None:
    with waiting_client(signal.SIGINT) as (client, connection):
        ends = time.monotonic() + DEADLINE
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < ends:
                connection.sendall(item("still here\n"))
                time.sleep(0.1)
        assert client.wait(DEADLINE) == 130
        assert time.monotonic() < ends


def test_a_command_goes_on_when_its_terminal_has_gone_if_that_is_to_be_so(stub: Stub) -> None:
    code = "import signal, tshell; signal.signal(signal.SIGHUP, signal.SIG_IGN); tshell.leave_upon_signals()"
    code += "; signal.raise_signal(signal.SIGHUP); print('on')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=Path(tshell.__file__).parent, check=True
    )
    assert done.stdout == b"on\n"


def test_a_program_gets_text_with_a_status(stub: Stub) -> None:
    reply = tshell.smanager_cmd("127.0.0.1", stub.port, "hostname")
    assert (reply, reply.status) == ("box\n", 0)
    assert isinstance(reply, str)
    assert tshell.smanager_cmd("127.0.0.1", stub.port, "partly").status == 1


def test_an_answer_that_does_not_say_to_what_is_an_error(stub: Stub) -> None:
    with tshell.Client("127.0.0.1", stub.port) as client:
        with pytest.raises(tshell.CallError, match="not JSON: Infinity"):
            client.execute("null")
        assert client.execute("hostname") == "box\n"


def test_a_program_gets_a_connection_error_when_there_is_no_server(free_port: int) -> None:
    with pytest.raises(ConnectionError, match=f"no SManager answers at 127.0.0.1:{free_port} "):
        tshell.smanager_cmd("127.0.0.1", free_port, "hostname")


def test_a_reply_beyond_the_limit_is_refused(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tshell, "REPLY_LIMIT", 1000)
    with pytest.raises(ConnectionError, match="longer than 1000 bytes"):
        tshell.smanager_cmd("127.0.0.1", stub.port, "big")


def test_a_vanished_server_is_noticed_by_keepalive() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        tshell.Client("127.0.0.1", listener.getsockname()[1]).endpoint.connect() as server,
    ):
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert server.gettimeout() is None


def test_the_client_stands_alone_and_starts_without_asyncio(tmp_path: Path, stub: Stub) -> None:
    alone = tmp_path / "tshell.py"
    alone.write_bytes(Path(tshell.__file__).read_bytes())
    unwanted = ("asyncio", "pathlib", "smanager", "ssl", "typing")
    code = f"import sys, tshell; print([m for m in {unwanted} if m in sys.modules])"
    command = [sys.executable, "-S", "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE, cwd="/", check=True)
    assert done.stdout == b"[]\n"


# ---- who it is


def lines_of(*arguments: str | int, environment: dict[str, str], home: Path) -> tuple[list[bytes], int]:
    """The lines that a client sends first on a unix socket, up to its request, which is answered; its exit status."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path := str(home / "s"))
        listener.listen()
        listener.settimeout(DEADLINE)
        command = [*CLIENT, "--unix", path, *map(str, arguments)]
        environment = os.environ | {"HOME": str(home)} | environment
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as client:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as wire:
                lines = [wire.readline()]
                while not lines[-1].startswith(b"{"):
                    lines.append(wire.readline())
                connection.sendall(result("", 7))
            return lines, client.wait(DEADLINE)


def test_a_token_goes_to_no_other_machine_in_the_clear(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tshell, "is_loopback", lambda address: False)
    with pytest.raises(ConnectionError, match=r"a token would be readable on its way to 127.0.0.1:.*; use --tls"):
        tshell.Client(port=stub.port, token="smt_x").call("hostname")
    assert tshell.Client(port=stub.port).execute("hostname") == "box\n"


@pytest.mark.parametrize(
    ("address", "is_near"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("fd00::2", False),
    ],
)
def test_what_is_on_this_machine(address: str, is_near: bool) -> None:
    assert tshell.is_loopback(address) is is_near


def test_a_token_goes_before_all_else(tmp_path: Path) -> None:
    lines, _ = lines_of("hostname", environment={"SMANAGER_TOKEN": "smt_x"}, home=tmp_path)
    assert lines[0] == b"auth smt_x\n"
    assert len(lines) == 2


@pytest.mark.parametrize("given_by", ["option", "environment"])
def test_a_token_comes_from_a_file_too(tmp_path: Path, given_by: str) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("smt_x\n")
    options = ["--token-file", str(file)] if given_by == "option" else []
    environment = {"SMANAGER_TOKEN_FILE" if given_by == "environment" else "_": str(file)}
    lines, _ = lines_of(*options, "hostname", environment=environment, home=tmp_path)
    assert lines[0] == b"auth smt_x\n"


@pytest.mark.parametrize("kind", ["readable", "link", "pipe", "directory", "none", "empty", "words"])
def test_a_tokens_file_that_others_could_know_is_refused(tmp_path: Path, stub: Stub, kind: str) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text({"empty": "", "words": "a token"}.get(kind, "smt_x"))
    path = tmp_path / "other"
    match kind:
        case "link":
            path.symlink_to(file)
        case "pipe":
            os.mkfifo(path, 0o600)
        case "directory":
            path.mkdir(mode=0o700)
        case "readable":
            path = file
            path.chmod(0o640)
        case "empty" | "words":
            path = file
    done = run("-p", stub.port, "--token-file", str(path), "hostname")
    assert stub.lines == []
    if kind in ("empty", "words"):
        assert (done.returncode, done.stderr.splitlines()[-1]) == (
            2,
            b"tshell: error: a token should be one word of ASCII characters",
        )
    else:
        assert done.returncode == 3
        assert done.stderr.startswith(f"tshell: {path}: ".encode())
        remedy = "it should hold a token" if kind == "none" else f"with mode 0600: chmod 600 {path}"
        assert done.stderr.endswith(f"{remedy}\n".encode())


def test_an_ssh_session_runs_its_command_line_whole(tmp_path: Path) -> None:
    environment = {"SSH_ORIGINAL_COMMAND": "say 'a b'; hostname"}
    lines, status = lines_of("--ssh", environment=environment, home=tmp_path)
    assert json.loads(lines[-1])["params"]["line"] == "say 'a b'; hostname"
    assert (len(lines), status) == (1, 7)


@pytest.mark.parametrize("line", ["-", "--ca x", "-p 1"])
def test_an_ssh_command_is_never_taken_for_options(tmp_path: Path, line: str) -> None:
    lines, _ = lines_of("--ssh", environment={"SSH_ORIGINAL_COMMAND": line}, home=tmp_path)
    assert json.loads(lines[-1])["params"]["line"] == line


def test_an_ssh_session_without_a_command_takes_them_from_stdin(stub: Stub) -> None:
    done = run("-p", stub.port, "--ssh", script=b"hostname\n", environment={"SSH_ORIGINAL_COMMAND": ""})
    assert done.stdout == b"box\n"


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI+/x"
FINGERPRINT = "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(KEY.split()[1])).digest()).decode().rstrip(
    "="
)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (f"{KEY} anna@laptop", "anna@laptop"),
        (f'ssh-rsa AAAA other\n# {KEY} old\nrestrict,command="tshell --ssh" {KEY}  Anna\'s laptop \n', "Anna's_laptop"),
        (f"{KEY}\n", FINGERPRINT),
        (f"{KEY}x other\n", FINGERPRINT),
        (f"{KEY} a\x1b[31m\u202e{'b' * 100}", "a_[31m_" + "b" * 57),
    ],
)
def test_an_ssh_sessions_key_says_for_whom_it_is(tmp_path: Path, keys: str, name: str) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "authorized_keys").write_text(keys)
    (tmp_path / "auth").write_text(f"publickey {KEY}\n")
    environment = {"SSH_ORIGINAL_COMMAND": "hostname", "SSH_USER_AUTH": str(tmp_path / "auth")}
    lines, _ = lines_of("--ssh", environment=environment, home=tmp_path)
    assert lines[:-1] == [f"as {name}\n".encode()]
    environment = {**environment, "SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 22"}
    (tmp_path / "s").unlink()
    lines, _ = lines_of("--ssh", environment=environment, home=tmp_path)
    assert lines[0] == f"as {name[:53]}[192.0.2.7]\n".encode()


def test_the_environment_says_first_for_whom_it_is_and_only_under_ssh(tmp_path: Path) -> None:
    environment = {"SSH_ORIGINAL_COMMAND": "hostname", "SMANAGER_USER": "anna\nkill", "SMANAGER_TOKEN": "smt_x"}
    lines, _ = lines_of("--ssh", environment=environment, home=tmp_path)
    assert lines[:-1] == [b"auth smt_x\n", b"as anna_kill\n"]
    (tmp_path / "s").unlink()
    assert lines_of("hostname", environment={"SMANAGER_USER": "anna"}, home=tmp_path)[0][0].startswith(b"{")


# ---- the telnet codec

NAMES = {
    "IAC": 255, "DONT": 254, "DO": 253, "WONT": 252, "WILL": 251, "SB": 250, "GA": 249, "NOP": 241, "SE": 240,
    "ECHO": 1, "SGA": 3, "TM": 6, "TTYPE": 24, "NAWS": 31, "LINEMODE": 34, "IS": 0, "SEND": 1,
}  # fmt: skip


def wire(text: str) -> bytes:
    """Bytes from the names of RFC 854's codes; other words, and numbers, stand for themselves."""
    return b"".join(
        bytes([NAMES[word]]) if word in NAMES else bytes([int(word)]) if word.isdigit() else word.encode()
        for word in text.split()
    )


def codec() -> tshell.Telnet:
    return tshell.Telnet("xterm", SIZE)


@pytest.mark.parametrize(
    ("received", "text", "answer"),
    [
        ("hello", "hello", ""),
        ("a IAC IAC b", "a IAC b", ""),
        ("a IAC NOP b IAC GA c", "abc", ""),
        ("IAC WILL ECHO IAC WILL SGA", "", ""),
        ("IAC DO NAWS", "", "IAC SB NAWS 0 101 0 33 IAC SE"),
        ("IAC DO NAWS IAC DO NAWS", "", "IAC SB NAWS 0 101 0 33 IAC SE"),
        ("IAC DO TTYPE IAC SB TTYPE SEND IAC SE", "", "IAC SB TTYPE IS xterm IAC SE"),
        ("IAC DO LINEMODE IAC DO LINEMODE IAC WILL 99 IAC WILL 99", "", "IAC WONT LINEMODE IAC DONT 99"),
        ("IAC DO ECHO", "", "IAC WONT ECHO"),
        ("IAC DONT NAWS IAC WONT ECHO", "", ""),
        ("IAC DO TM x IAC DO TM", "x", "IAC WONT TM IAC WONT TM"),
        ("a IAC SB 99 b IAC IAC SE c IAC SE d", "ad", ""),
        ("IAC SB 99 b IAC DO LINEMODE c", "c", "IAC WONT LINEMODE"),
        ("IAC SB IAC SE x", "x", ""),
    ],
)
def test_what_the_server_sends_is_shown_and_answered(received: str, text: str, answer: str) -> None:
    assert codec().receive(wire(received)) == (wire(text), wire(answer))


SEQUENCES = st.sampled_from([wire(name) for name in [*NAMES, "IAC IAC", "IAC DO", "IAC SB TTYPE SEND IAC SE"]])
STREAMS = st.lists(SEQUENCES | st.binary(max_size=4), max_size=40).map(b"".join)


@given(STREAMS, st.data())
def test_any_split_of_the_bytes_gives_the_same(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    split = codec()
    pieces = [split.receive(stream[start:end]) for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    shown, answers = codec().receive(stream)
    assert b"".join(text for text, _ in pieces) == shown
    assert b"".join(answer for _, answer in pieces) == answers


@given(st.binary())
def test_text_passes_through_whole_when_its_ff_bytes_are_doubled(text: bytes) -> None:
    assert codec().receive(text.replace(IAC, IAC + IAC)) == (text, b"")


def test_a_subnegotiation_without_end_is_not_kept() -> None:
    telnet = codec()
    telnet.receive(IAC + SB + b"x" * 200)
    with pytest.raises(ConnectionError, match="more than 256 bytes"):
        telnet.receive(b"x" * 100)


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((80, 24), "0 80 0 24"),
        ((255, 30), "0 IAC IAC 0 30"),
        ((0, 0), "0 0 0 0"),
        ((511, 65535), "1 IAC IAC IAC IAC IAC IAC"),
    ],
)
def test_a_resize_is_told_once_the_server_asked(size: tuple[int, int], sent: str) -> None:
    telnet = codec()
    assert telnet.resize(os.terminal_size((1, 1))) == b""
    telnet.receive(wire("IAC DO NAWS"))
    assert telnet.resize(os.terminal_size(size)) == wire(f"IAC SB NAWS {sent} IAC SE")


# ---- the interactive face: a terminal on one side, the server's end of the connection on the other


class Session:
    """The client on a terminal of its own, and the server's end of its connection, played by the test."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()  # both stay open: the terminal's state outlives the client
        self._descriptors = [self._master, self._slave]
        self.resize(*SIZE)
        self.cooked = self.terminal_state()
        self.screen = b""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(DEADLINE)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # for the test that fills it
            port = listener.getsockname()[1]
            # A session leader's first terminal becomes its controlling one, which brings it SIGWINCH and SIGHUP.
            opens_terminal = 'exec "$@" <>"$0" >&0 2>&1'
            self.process = subprocess.Popen(
                ["sh", "-c", opens_terminal, os.ttyname(self._slave), *CLIENT, "-p", str(port)],
                start_new_session=True,
                env=os.environ | {"TERM": "vt220"},
            )
            self.server, _ = listener.accept()
        self.server.settimeout(DEADLINE)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def terminal_state(self) -> list[object]:
        return list(termios.tcgetattr(self._slave))

    def receives(self, expected: bytes) -> None:
        """Wait until the server has these bytes, and no others before them."""
        received = b""
        while len(received) < len(expected):
            data = self.server.recv(len(expected) - len(received))
            assert data, f"the client closed after {received!r}"
            received += data
        assert received == expected

    def shows(self, expected: bytes) -> None:
        """Wait until the terminal has been sent these bytes."""
        deadline = time.monotonic() + DEADLINE
        while expected not in self.screen:
            readable, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
            assert readable, f"{expected!r} did not come after {self.screen!r}"
            self.screen += os.read(self._master, 65536)
        self.screen = self.screen.partition(expected)[2]

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def begin(self) -> None:
        """Be through the negotiation: from here on the terminal is raw."""
        self.receives(OPENING)
        self.server.sendall(OFFER + SEND_TERMINAL + b"banner\r\n>")
        self.receives(window(*SIZE) + IAC + SB + b"\x18\x00vt220" + IAC + SE)
        self.shows(b"banner\r\n>")

    def ends(self, status: int) -> None:
        """The client ends with that status and leaves the terminal as it was."""
        assert self.process.wait(DEADLINE) == status
        assert self.terminal_state() == self.cooked

    def type_all_that_is_taken(self) -> int:
        """Type until nobody takes it for a moment; return the number of bytes that went."""
        typed = 0
        while select.select([], [self._master], [], 0.3)[1]:
            typed += os.write(self._master, b"k" * 1024)
            assert typed < 16_000_000, "the client keeps more than the kernel and its limit can hold"
        return typed

    def hang_up(self) -> None:
        """Take the terminal away, as closing its window does."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        self.server.close()
        self.hang_up()


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    yield session
    session.close()


def test_keys_go_to_the_server_as_typed_and_its_output_to_the_terminal(session: Session) -> None:
    session.begin()
    assert session.terminal_state() != session.cooked
    session.type("é\t\x03\x04\x1a\x1b[A".encode() + b"\xff\r")
    session.receives("é\t\x03\x04\x1a\x1b[A".encode() + b"\xff\xff\r\0")
    session.server.sendall(b"\xff\xff\r\nand \xff\xf1on")
    session.shows(b"\xff\r\nand on")


def test_a_resize_is_told_at_once(session: Session) -> None:
    session.begin()
    session.resize(255, 40)
    session.receives(IAC + SB + b"\x1f\x00\xff\xff\x00\x28" + IAC + SE)


def test_keys_typed_before_the_negotiation_are_not_lost(session: Session) -> None:
    session.type(b"early\r")
    session.receives(OPENING)
    session.server.sendall(OFFER)
    data = b""
    while b"early" not in data:  # the window's size may come before or after it
        data += session.server.recv(100)


@pytest.mark.parametrize("last", [b">", b"bye\r\n"])
def test_the_terminal_is_restored_when_the_server_closes(session: Session, last: bytes) -> None:
    session.begin()
    session.server.sendall(last)
    session.shows(last)
    session.server.close()
    session.ends(0)


def test_ctrl_right_bracket_leaves_and_the_cursor_is_on_a_fresh_line(session: Session) -> None:
    session.begin()
    session.type(b"\x1d")
    session.shows(b"\r\n")
    session.ends(0)


def test_leaving_takes_back_the_paste_marks_that_the_server_set(session: Session) -> None:
    session.begin()
    session.server.sendall(b"\x1b[?20")
    session.shows(b"\x1b[?20")  # so the rest comes in a piece of its own
    session.server.sendall(b"04h>")
    session.shows(b"04h>")
    session.type(b"\x1d")
    session.shows(b"\x1b[?2004l\r\n")
    session.ends(0)


def test_output_goes_on_while_the_server_does_not_read_and_what_was_typed_waits(session: Session) -> None:
    session.begin()
    typed = session.type_all_that_is_taken()
    session.server.sendall(b"still here")
    session.shows(b"still here")
    session.receives(b"k" * typed)
    session.type(b"\r")
    session.receives(b"\r\0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_restored_when_a_signal_ends_the_client(session: Session, number: signal.Signals) -> None:
    session.begin()
    session.process.send_signal(number)
    session.ends(128 + number)


def test_the_client_ends_with_its_terminal(session: Session) -> None:
    session.begin()
    session.hang_up()
    assert session.process.wait(DEADLINE) == 128 + signal.SIGHUP
    assert session.server.recv(1) == b""


def test_the_terminal_is_restored_when_the_connection_is_lost(session: Session) -> None:
    session.begin()
    # Closing with unread bytes, or with no time to linger, resets the connection.
    session.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    session.server.close()
    session.shows(b"\r\ntshell: lost SManager at 127.0.0.1:")
    session.ends(3)


def test_the_terminal_is_restored_when_the_server_talks_nonsense(session: Session) -> None:
    session.begin()
    session.server.sendall(IAC + SB + b"x" * 1000)
    session.shows(b"more than 256 bytes")
    session.ends(3)


def test_output_of_one_command_shows_its_control_characters_on_a_terminal(stub: Stub) -> None:
    master, slave = os.openpty()
    command = [*CLIENT, "-p", str(stub.port), "bytes"]
    done = subprocess.run(command, stdout=slave, timeout=DEADLINE, check=False)
    assert done.returncode == 0
    assert os.read(master, 4096) == b"caf\\udce9 \\x1b[31m\r\n"
    os.close(master)
    os.close(slave)
