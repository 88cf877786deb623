"""Who the client says it is: tokens, and the people for whom sshd runs it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SECONDS
from tests.tshell.conftest import CLIENT, Stub, result, run


def lines_of(*arguments: str | int, environment: dict[str, str], home: Path) -> tuple[list[bytes], int]:
    """Run the client on a unix socket and answer its request; return the lines up to that, and the exit status."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path := str(home / "s"))
        listener.listen()
        listener.settimeout(SECONDS)
        command = [*CLIENT, "--unix", path, *map(str, arguments)]
        environment = os.environ | {"HOME": str(home)} | environment
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as client:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as wire:
                lines = [wire.readline()]
                while not lines[-1].startswith(b"{"):
                    lines.append(wire.readline())
                connection.sendall(result("", 7))
            return lines, client.wait(SECONDS)


def test_a_token_is_sent_first(tmp_path: Path) -> None:
    lines, _ = lines_of("hostname", environment={"SMANAGER_TOKEN": "smt_x"}, home=tmp_path)
    assert lines[0] == b"auth smt_x\n"
    assert len(lines) == 2


@pytest.mark.parametrize("given_by", ["option", "environment"])
def test_a_token_may_come_from_a_file(tmp_path: Path, given_by: str) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_bytes(b"\xef\xbb\xbfsmt_x\r\n")  # as some editors write it
    options = ["--token-file", str(file)] if given_by == "option" else []
    environment = {"SMANAGER_TOKEN_FILE" if given_by == "environment" else "_": str(file)}
    lines, _ = lines_of(*options, "hostname", environment=environment, home=tmp_path)
    assert lines[0] == b"auth smt_x\n"


@pytest.mark.parametrize("kind", ["readable", "link", "pipe", "directory", "none", "empty", "words"])
def test_a_token_file_that_others_could_know_is_refused(tmp_path: Path, stub: Stub, kind: str) -> None:
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


def test_an_ssh_session_runs_its_whole_command_line(tmp_path: Path) -> None:
    environment = {"SSH_ORIGINAL_COMMAND": "say 'a b'; hostname"}
    lines, status = lines_of("--ssh", environment=environment, home=tmp_path)
    assert json.loads(lines[-1])["params"]["line"] == "say 'a b'; hostname"
    assert (len(lines), status) == (1, 7)


@pytest.mark.parametrize("line", ["-", "--ca x", "-p 1"])
def test_an_ssh_command_is_never_parsed_as_options(tmp_path: Path, line: str) -> None:
    lines, _ = lines_of("--ssh", environment={"SSH_ORIGINAL_COMMAND": line}, home=tmp_path)
    assert json.loads(lines[-1])["params"]["line"] == line


def test_an_ssh_session_without_a_command_reads_commands_from_stdin(stub: Stub) -> None:
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
def test_an_ssh_sessions_key_names_the_requester(tmp_path: Path, keys: str, name: str) -> None:
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


def test_the_environment_overrides_the_key_and_only_under_ssh(tmp_path: Path) -> None:
    environment = {"SSH_ORIGINAL_COMMAND": "hostname", "SMANAGER_USER": "anna\nkill", "SMANAGER_TOKEN": "smt_x"}
    lines, _ = lines_of("--ssh", environment=environment, home=tmp_path)
    assert lines[:-1] == [b"auth smt_x\n", b"as anna_kill\n"]
    (tmp_path / "s").unlink()
    assert lines_of("hostname", environment={"SMANAGER_USER": "anna"}, home=tmp_path)[0][0].startswith(b"{")
