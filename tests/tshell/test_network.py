"""The client and a real server over unix sockets, TCP and TLS, with and without a login."""

from __future__ import annotations

import os
import pwd
import re
import select
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from smanager.access.secrets import hash_token
from smanager.access.users import Token, User, UsersFile
from tests.conftest import SECONDS, Server, as_text, wait_for, write_service
from tests.tshell.conftest import SERVICE, open_session, run
from tshell import Client

TOKEN = "smt_right"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the server's self-signed certificate, and a client's."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    directory = tmp_path_factory.mktemp("certificates")
    for name, names in {"server": "DNS:localhost", "client": "DNS:anna"}.items():
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem", "-days", "2"),
                *("-subj", "/CN=anna" if name == "client" else "/CN=localhost", "-addext", f"subjectAltName={names}"),
            ],
            capture_output=True,
            check=True,
        )
        (directory / f"{name}.key").chmod(0o600)
    return directory


class Guarded:
    """A server with several listeners, most of which require a login."""

    def __init__(self, directory: Path, certificates: Path) -> None:
        self.directory, self.certificates = directory, certificates
        with UsersFile(directory / "users.json").changed() as users:
            users["anna"] = User("anna", ("admin",), token=Token(hash_token(TOKEN)))
        files = f'certificate = "{certificates}/server.pem", key = "{certificates}/server.key"'
        (directory / "smanager.toml").write_text(
            f"""
            users_file = "{directory}/users.json"
            listeners.open = {{ unix = "{directory}/open", relays = ["{pwd.getpwuid(os.geteuid()).pw_name}"] }}
            listeners.unix = {{ unix = "{directory}/locked", login = "required" }}
            listeners.tcp = {{ tcp = "127.0.0.1:0", login = "required" }}
            listeners.json = {{ unix = "{directory}/json", mode = "json" }}
            listeners.raw = {{ unix = "{directory}/raw", mode = "raw" }}
            listeners.people = {{ unix = "{directory}/people", mode = "telnet", login = "required" }}
            [listeners.tls]
            tcp = "127.0.0.1:0"
            tls = {{ {files}, client_ca = "{certificates}/client.pem" }}
            login = "required"
            """
        )
        write_service(services := directory / "services", SERVICE)
        options = ("--config", directory / "smanager.toml", "--state-dir", directory / "state", "--services", services)
        self.server = Server(*map(str, options))
        _, tcp, tls = re.findall(r":(\d+)", self.server.wait_for_log("^listening on .*")[0])
        self.options = {
            "unix": ["--unix", f"{directory}/locked"],
            "tcp": ["-p", tcp],
            **{place: ["--unix", f"{directory}/{place}"] for place in ("json", "raw", "people")},
            "tls": ["-H", "localhost", "-p", tls, "--ca", f"{certificates}/server.pem"],
        }

    def client(self, place: str, *words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return client([*self.options[place], *words], stdin, environment)

    def session(self, place: str, **environment: str) -> pexpect.spawn[str]:
        return open_session(*self.options[place], **environment)


def client(arguments: list[str], stdin: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return as_text(run(*arguments, script=stdin.encode(), environment=environment))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("guarded"), certificates)
    yield guarded
    guarded.server.stop()


@pytest.fixture
def fresh(tmp_path: Path, certificates: Path) -> Iterator[Guarded]:
    """A server of the test's own: failed logins slow down the next ones, and jobs are numbered."""
    guarded = Guarded(tmp_path, certificates)
    yield guarded
    guarded.server.stop()


PLACES = pytest.mark.parametrize("place", ["unix", "tcp", "tls"])


@PLACES
def test_a_token_logs_in_everywhere_and_in_every_mode(guarded: Guarded, place: str) -> None:
    assert guarded.client(place, "hostname", SMANAGER_TOKEN=TOKEN).stdout == "mycomputerhostname\n"
    result = guarded.client(place, stdin="hostname\nsystemstatus fail\n", SMANAGER_TOKEN=TOKEN)
    assert (result.stdout, result.returncode) == ("mycomputerhostname\n", 1)
    line = f"tshell {shlex.join(guarded.options[place])} systemstatus up"
    assert guarded.client(place, "--words", line, SMANAGER_TOKEN=TOKEN).stdout == "uptime\n"
    counted = guarded.client(place, "systemstatus lines 5000 100", SMANAGER_TOKEN=TOKEN).stdout
    assert counted == "".join(f"{number:0100}\n" for number in range(5000))


@PLACES
def test_a_session_with_a_token_is_like_any_other(guarded: Guarded, place: str) -> None:
    child = guarded.session(place, SMANAGER_TOKEN=TOKEN)
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    child.send("sys\tup\t\r")
    child.expect_exact("load average: 0.28, 0.39, 0.46\r\n" + "-" * 50 + "\r\n>")
    child.send("systemstatus count 100000000\r")
    child.expect_exact("\r\n50\r\n")
    child.send("\x03")  # a flood does not keep the keyboard waiting
    child.expect_exact("*** systemstatus count: cancelled", searchwindowsize=4000)
    child.send("quit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize("place", ["json", "raw"])
def test_a_login_may_come_first_on_a_listener_with_a_fixed_mode(fresh: Guarded, place: str) -> None:
    result = fresh.client(place, "hostname", SMANAGER_TOKEN=TOKEN)
    assert (result.stdout, result.stderr) == ("mycomputerhostname\n", "")
    result = fresh.client(place, "hostname", SMANAGER_TOKEN="smt_wrong")
    assert (result.returncode, result.stdout) == (3, "")


def test_a_token_logs_in_on_a_listener_for_people_and_is_never_shown(guarded: Guarded) -> None:
    child = guarded.session("people", SMANAGER_TOKEN=TOKEN)
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    assert child.before
    assert (TOKEN in child.before, "login:" in child.before) == (False, False)
    child.send("hostname\r")
    child.expect_exact("mycomputerhostname\r\n")
    child.close(force=True)


@PLACES
def test_a_refused_login_is_reported(fresh: Guarded, place: str) -> None:
    result = fresh.client(place, "hostname", SMANAGER_TOKEN="smt_wrong")
    assert (result.returncode, result.stdout) == (3, "")
    assert re.fullmatch("tshell: SManager at .* says: this token is not valid\n", result.stderr)
    result = fresh.client(place, "hostname")
    assert (result.returncode, result.stdout) == (3, "")
    assert "requires a login; give a token in SMANAGER_TOKEN or with --token-file\n" in result.stderr
    child = fresh.session(place, SMANAGER_TOKEN="smt_wrong")
    child.expect_exact("*** this token is not valid")
    child.expect_exact("\rtshell: lost SManager at ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def test_programs_can_use_tls_and_tokens_too(fresh: Guarded) -> None:
    port, authority = int(fresh.options["tls"][3]), f"{fresh.certificates}/server.pem"
    with Client("localhost", port, ca=authority, token=TOKEN) as client:
        assert client.call("hostname") == "mycomputerhostname"
    refused = Client(unix=f"{fresh.directory}/locked", token="smt_wrong")
    with refused, pytest.raises(ConnectionError, match="locked says: this token is not valid"):
        refused.call("hostname")
    with pytest.raises(ValueError, match="a token should be one word"):
        Client(token="a\nkill")


def test_a_program_that_waits_for_messages_is_not_held_up_by_records_without_any(guarded: Guarded) -> None:
    port, authority = int(guarded.options["tls"][3]), f"{guarded.certificates}/server.pem"
    with Client("localhost", port, ca=authority, token=TOKEN) as client:
        client.send_timeout = SECONDS
        number = client.begin("systemstatus.wait", {})
        assert client.server
        assert select.select([client.server], [], [], SECONDS)[0]  # the tickets that begin TLS 1.3
        assert list(client.messages()) == []
        client.cancel(number)
        assert client.next_message(number)["error"]["code"] == -32800


def test_a_client_certificate_logs_in(guarded: Guarded) -> None:
    own = ["--cert", f"{guarded.certificates}/client.pem", "--key", f"{guarded.certificates}/client.key"]
    assert guarded.client("tls", *own, "hostname").stdout == "mycomputerhostname\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tls", "-H", "localhost"], "no TLS with SManager at localhost:{port} (self-signed certificate); "),
        (["--ca", "{ca}", "-H", "127.0.0.1"], "no TLS with SManager at 127.0.0.1:{port} (IP address mismatch, "),
        (["--ca", "/none"], "/none: No such file or directory; --ca, --cert and --key should name PEM files"),
        (["--ca", "{ca}", "--cert", "{ca}"], "{ca}, {ca}: "),
    ],
)
def test_a_wrong_certificate_is_reported_in_one_line(guarded: Guarded, options: list[str], said: str) -> None:
    values = {"port": guarded.options["tls"][3], "ca": f"{guarded.certificates}/server.pem"}
    arguments = ["-p", values["port"], *(option.format(**values) for option in options), "hostname"]
    result = client(arguments, "", {"SMANAGER_TOKEN": TOKEN})
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (3, "", 1)
    assert result.stderr.startswith(f"tshell: {said.format(**values)}")


@pytest.mark.parametrize("options", [["--tls"], []])
def test_an_address_that_is_not_allowed_is_told_what_may_be_wrong(
    kept: Callable[..., Server], free_port: int, guarded: Guarded, options: list[str]
) -> None:
    certificate = guarded.certificates / "server"
    tls = f'tls = {{ certificate = "{certificate}.pem", key = "{certificate}.key" }}\n' if options else ""
    kept(f'[listeners.lan]\ntcp = "127.0.0.1:{free_port}"\nallow = ["192.0.2.0/24"]\n{tls}')
    result = client(["-H", "localhost", "-p", str(free_port), *options, "hostname"], "", {})
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (3, "", 1)
    assert re.search("its `allow` (let this machine in|keep you out)[?]", result.stderr), result.stderr
    assert "--ca" not in result.stderr


def test_the_server_learns_an_ssh_sessions_requester(fresh: Guarded) -> None:
    fresh.options["ssh"] = ["--unix", f"{fresh.directory}/open", "--ssh"]
    commands = {"SSH_ORIGINAL_COMMAND": "systemstatus wait &; jobs; cancel 1", "SMANAGER_USER": "anna@laptop"}
    assert "(claims to act for anna@laptop) from a unix socket, " in fresh.client("ssh", **commands).stdout
    assert (
        "anna (claims to act for bert) from a unix"
        in fresh.client(
            "ssh",
            SSH_ORIGINAL_COMMAND="systemstatus wait &; jobs; cancel 2",
            SMANAGER_USER="bert",
            SMANAGER_TOKEN=TOKEN,
        ).stdout
    )
    child = fresh.session("ssh", SMANAGER_USER="bert")
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    child.send("systemstatus wait\r")
    wait_for(lambda: "(claims to act for bert) from a unix socket, " in fresh.server.ask("jobs"), "the command")
    child.send("\x03\x04")
    child.expect(pexpect.EOF)
