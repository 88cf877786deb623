"""The clients that people come with over a network: ssh, openssl, ncat, tshell, and other users of the machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from smanager.access.users import User, UsersFile
from tests.conftest import ROOT, SECONDS, wait_for
from tests.live.security.clients import needs
from tests.live.security.conftest import TOKENS, Network

TSHELL = (sys.executable, str(ROOT / "tshell.py"))


def run(*command: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, **environment},
    )


@needs("openssl")
def test_openssl_and_ncat_carry_a_script(network: Network) -> None:
    script = f"auth {TOKENS['operator']}\nbox open\n"
    place = f"127.0.0.1:{network.ports['tls']}"
    client = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile", "ca.pem"]
    with subprocess.Popen(
        [*client, "-connect", place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=network.directory
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(script.encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"opened\n"
        process.stdin.close()
    if shutil.which("ncat"):
        with subprocess.Popen(
            ["ncat", "--ssl", "127.0.0.1", str(network.ports["tls"])], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(script.encode())
            process.stdin.flush()
            assert process.stdout.readline() == b"opened\n"
            process.stdin.close()


def test_old_tls_is_refused(network: Network) -> None:
    place = f"127.0.0.1:{network.ports['tls']}"
    old = run("openssl", "s_client", "-connect", place, "-tls1_1", "-cipher", "ALL@SECLEVEL=0")
    assert old.returncode != 0


def test_tshell_comes_by_tls_with_a_token_or_a_certificate(network: Network) -> None:
    ca, pem = str(network.directory / "ca.pem"), str(network.directory / "viewer.pem")
    there = ("-H", "localhost", "-p", str(network.ports["tls"]), "--tls", "--ca", ca)
    by_token = run(*TSHELL, *there, "box", "open", SMANAGER_TOKEN=TOKENS["operator"])
    assert (by_token.returncode, by_token.stdout) == (0, "opened\n")
    by_certificate = run(*TSHELL, *there, "--cert", pem, "whoami")
    assert "by certificate; roles: view\n" in by_certificate.stdout
    denied = run(*TSHELL, *there, "--cert", pem, "box", "open")
    assert (denied.returncode, denied.stdout) == (2, "")
    untrusted = run(*TSHELL, "-p", str(network.ports["tls"]), "--tls", "status", SMANAGER_TOKEN=TOKENS["root"])
    assert untrusted.returncode == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
@needs("sudo")
def test_another_user_of_the_machine_is_let_in_by_permissions_and_name(network: Network) -> None:
    path = network.directory / "local.sock"
    for place in [network.directory, *network.directory.parents]:
        if place.stat().st_uid == 0 and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)  # so that only the socket's own permissions count
    nobody = ("sudo", "-u", "nobody", "nc.openbsd", "-N", "-U", str(path))
    assert "Permission denied" in run(*nobody, text="whoami\n").stderr
    path.chmod(0o666)
    assert run(*nobody, text="whoami\n").stdout == "*** log in first with a line: auth TOKEN\n"
    with UsersFile(network.directory / "smanager-users.json").changed() as users:
        users["nobody"] = User("nobody", ("view",))
    assert run(*nobody, text="whoami; box open\n").stdout.startswith("nobody from a unix socket, user nobody, process ")


@pytest.fixture
def ssh(network: Network) -> Iterator[list[str]]:
    """A real sshd that runs tshell for a key; returns the client's command line up to the user and host."""
    directory = network.directory
    for name in ("host", "key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name), "-C", "anna@laptop")
    command = f"{sys.executable} {ROOT / 'tshell.py'} --unix {directory / 'local.sock'} --ssh"
    public = (directory / "key.pub").read_text()
    (directory / "authorized_keys").write_text(
        f'restrict,pty,environment="SMANAGER_USER=anna",command="{command}" {public}'
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory / 'host'}\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {directory / 'authorized_keys'}\nStrictModes no\nPermitUserEnvironment yes\n"
        "PermitRootLogin yes\nPasswordAuthentication no\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin") or "sshd"
    with subprocess.Popen(
        [sshd, "-D", "-e", "-f", str(directory / "sshd_config")], stderr=subprocess.DEVNULL
    ) as process:

        def answers() -> bool:
            with socket.socket() as connection:
                return connection.connect_ex(("127.0.0.1", port)) == 0

        wait_for(answers, "sshd")
        options = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={directory / 'known'}", "LogLevel=ERROR"]
        yield [
            "ssh",
            "-p",
            str(port),
            "-i",
            str(directory / "key"),
            *(f"-o{option}" for option in options),
            "root@127.0.0.1",
        ]
        process.terminate()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs an sshd that may log people in")
@needs("sshd")
def test_ssh_runs_one_command_with_its_status_or_is_the_shell(network: Network, ssh: list[str]) -> None:
    one = run(*ssh, "box open")
    assert (one.returncode, one.stdout) == (0, "opened\n")
    failed = run(*ssh, "box fail")
    assert (failed.returncode, failed.stdout, failed.stderr) == (1, "", "*** box fail: ValueError: no\n")
    assert run(*ssh, "nonsense").returncode == 2
    child: pexpect.spawn[str] = pexpect.spawn(ssh[0], [*ssh[1:], "-t"], timeout=SECONDS, encoding="utf-8")
    child.expect_exact("-box\r\n")
    child.expect_exact(">")
    child.send("box op\t\r")
    child.expect_exact("opened\r\n")
    child.setwinsize(30, 60)
    child.send("whoami\r")
    child.expect(r"by peer,\s+claims\s+to\s+act\s+for\s+anna\[127.0.0.1\];\s+roles:\s+admin\r\n")
    child.send("quit\r")
    child.expect(pexpect.EOF)
    commands = [one for one in network.audit() if one["event"] == "command" and one["name"] == "box open"]
    assert [(one["user"], one["claims_for"]) for one in commands] == [("root", "anna[127.0.0.1]")] * 2
    assert json.dumps(commands)
