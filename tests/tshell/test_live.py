"""tshell and the example scripts against the real server."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from smanager.access.secrets import hash_token
from smanager.access.users import Token, User, UsersFile
from tests.conftest import ROOT, SECONDS, SEED_SERVICE, Server, wait_for, write_service
from tshell import CallError, Client, smanager_cmd

MORE = """
    def cmd_fail(self): raise ValueError("no")

    def cmd_args(self, *words): return "|".join(words)

    async def cmd_wait(self):
        import asyncio
        await asyncio.sleep(3600)

    def cmd_count(self, upto: int):
        yield from range(upto)

    async def cmd_tick(self):
        import asyncio
        try:
            yield "a tick"
            await asyncio.sleep(3600)
        finally:
            yield "the end"

    def cmd_echo(self, value: float): return value

    def cmd_choose(self, what): return what

    def complete_choose(self, *given): return ["a b", "*.txt"]
"""


@pytest.fixture
def server(start: Callable[..., Server], services: Path) -> Server:
    write_service(services, SEED_SERVICE + MORE)
    return start("--services", services, "--services", ROOT / "examples" / "services")


def tshell(server: Server, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tshell.py"), "-p", str(server.port), *words],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "status", "stdout", "stderr"),
    [
        (["hostname"], 0, "mycomputerhostname\n", ""),
        (["systemstatus", "args", "a b", "c;d", "-h"], 0, "a b|c;d|-h\n", ""),
        (["hostname; hostname"], 0, "mycomputerhostname\nmycomputerhostname\n", ""),
        (["systemstatus", "fail"], 1, "", "*** systemstatus fail: ValueError: no\n"),
        (["systemstatus", "uptime", "x"], 2, "", "*** systemstatus uptime: too many arguments: x; usage: "),
        (
            ["hostname; nonsense; hostname"],
            2,
            "mycomputerhostname\nmycomputerhostname\n",
            "*** unknown command: nonsense; ",
        ),
        (["nonsense"], 2, "", "*** unknown command: nonsense; "),
        (["sys", "uptime"], 2, "", "*** unknown command: sys; did you mean: systemstatus? "),
    ],
)
def test_a_command_has_its_output_and_exit_status(
    server: Server, words: list[str], status: int, stdout: str, stderr: str
) -> None:
    result = tshell(server, *words)
    assert (result.returncode, result.stdout) == (status, stdout)
    assert result.stderr.startswith(stderr)


def test_who_ends_the_server_is_answered(server: Server) -> None:
    result = tshell(server, "kill")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert server.process.wait(SECONDS) == 0


def test_commands_on_stdin_run_one_by_one(server: Server) -> None:
    result = tshell(server, stdin="hostname\n\n# a comment\nsystemstatus fail\nhostname\n")
    assert (result.returncode, result.stdout) == (1, "mycomputerhostname\n" * 2)


def test_a_program_gets_output_and_status(server: Server) -> None:
    reply = smanager_cmd(server.host, server.port, "help -s")
    assert (reply.splitlines()[1], reply.status) == ("SERVICES: scrapman systemstatus", 0)


@pytest.mark.parametrize(
    ("environment", "is_red"),
    [({"TERM": "xterm-256color"}, True), ({"TERM": "vt220"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_what_went_wrong_is_red_where_the_terminal_has_that(
    server: Server, environment: dict[str, str], is_red: bool
) -> None:
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        [str(ROOT / "tshell.py"), "-p", str(server.port)],
        timeout=SECONDS,
        encoding="utf-8",
        dimensions=(30, 90),
        env={**os.environ, **environment},
    )
    child.expect_exact("-" * 50 + "\r\n>")
    child.send("systemstatus fail\r")
    error = "*** systemstatus fail: ValueError: no"
    child.expect_exact(f"fail\r\n\x1b[31m{error}\x1b[39m\r\n" if is_red else f"fail\r\n{error}\r\n")
    child.close(force=True)


def test_an_interactive_session_edits_on_the_server(server: Server) -> None:
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        [str(ROOT / "tshell.py"), "-p", str(server.port)],
        timeout=SECONDS,
        encoding="utf-8",
        dimensions=(30, 90),
        env={**os.environ, "TERM": "xterm"},
    )
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    child.send("sys\tup\t\r")
    child.expect_exact("load average: 0.28, 0.39, 0.46\r\n" + "-" * 50 + "\r\n>")
    child.send("\x1b[A\x15quit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_dumb_terminal_edits_its_own_lines(server: Server) -> None:
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        [str(ROOT / "tshell.py"), "-p", str(server.port)],
        timeout=SECONDS,
        encoding="utf-8",
        env={**os.environ, "TERM": "dumb"},
    )
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    wait_for(child.getecho, "the terminal to echo")
    child.sendline("hostname")
    child.expect_exact("hostname\r\nmycomputerhostname\r")
    child.sendline("quit")
    child.expect(pexpect.EOF)


def test_the_example_scripts_do_what_the_seeds_did(server: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "SMANAGER_PORT": str(server.port)}
    demo = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo_script.py")],
        env=environment, capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    assert demo.stdout.startswith("TOP: captest capture_at scrapfreq startcap stopcap hostname\n")
    logfile = tmp_path / "heartbeat.log"
    subprocess.run(
        [sys.executable, str(ROOT / "examples" / "heartbeat.py"), str(logfile)],
        env=environment, timeout=SECONDS, check=True,
    )  # fmt: skip
    assert "Scrapman heartbeat: no capture yet" in logfile.read_text()


# Several commands, and a status for each.


def test_each_commands_status_is_told_where_it_is_asked_for(server: Server) -> None:
    script = "hostname\nsystemstatus fail\n# a comment\nnonsense\n"
    result = tshell(server, "-", stdin=script)
    assert (result.returncode, result.stdout) == (2, "mycomputerhostname\n")
    assert [line for line in result.stderr.splitlines() if line.startswith("[")] == [
        "[0] hostname",
        "[1] systemstatus fail",
        "[2] nonsense",
    ]
    result = tshell(server, "-e", "-", stdin=script)
    assert result.returncode == 1
    assert "nonsense" not in result.stderr


def test_answers_come_in_json_where_that_is_asked_for(server: Server) -> None:
    assert tshell(server, "--json", "hostname").stdout == '"mycomputerhostname"\n'
    result = tshell(server, "--json", "systemstatus", "fail")
    assert (result.returncode, result.stdout) == (1, '{"error": "systemstatus fail: ValueError: no"}\n')


def test_json_is_for_each_command_of_a_line_and_they_are_told_as_they_were_written(server: Server) -> None:
    result = tshell(server, "--json", "hostname; systemstatus args -- x; systemstatus args 'a;b'")
    assert (result.stdout, result.stderr) == ('"mycomputerhostname"\n"x"\n"a;b"\n', "")
    assert tshell(server, "--json", "-", stdin="hostname\n").stderr == "[0] hostname\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_output_comes_at_once_and_a_signal_ends_the_remote_command_first(server: Server, number: int) -> None:
    command = [sys.executable, str(ROOT / "tshell.py"), "-p", str(server.port), "systemstatus", "tick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout
        assert client.stdout.readline() == "a tick\n"
        client.send_signal(number)
        _, errors = client.communicate(timeout=SECONDS)
        assert (client.returncode, errors) == (128 + number, "*** systemstatus tick: cancelled\n")
    wait_for(lambda: server.ask("jobs") == "", "its end")


def test_a_reader_that_has_enough_ends_the_remote_command(server: Server) -> None:
    pipeline = f"{sys.executable} {ROOT / 'tshell.py'} -p {server.port} systemstatus count 100000000 | head -1"
    done = subprocess.run(["sh", "-c", pipeline], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
    wait_for(lambda: server.ask("jobs") == "", "its end")


def words_in_bash(program: str, line: str, directory: Path) -> str:
    script = (
        f"source <({sys.executable} {ROOT / 'tshell.py'} --complete bash)\n"
        f"COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}; _tshell {shlex.quote(program)}\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    return in_shell("bash", script, directory)


def words_in_zsh(program: str, line: str, directory: Path) -> str:
    words = shlex.split(line) + [""] * line.endswith(" ")
    script = (
        'compdef() { }; compadd() { shift; print -rl -- "$@" }\n'
        f"source <({sys.executable} {ROOT / 'tshell.py'} --complete zsh)\n"
        f"words=({shlex.join(words)}) CURRENT={len(words)} PREFIX={shlex.quote(words[-1])}; _tshell\n"
    )
    return in_shell("zsh", script, directory)


def words_in_fish(program: str, line: str, directory: Path) -> str:
    script = (
        f"{sys.executable} {ROOT / 'tshell.py'} --complete fish | source\ncomplete -C {shlex.quote('echo; ' + line)}"
    )
    return in_shell("fish", script, directory)


def in_shell(shell: str, script: str, directory: Path) -> str:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    environment = {**os.environ, "HOME": str(directory)}
    result = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, timeout=20, check=False, cwd=directory, env=environment
    )
    assert result.stderr == ""
    return result.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A directory with nothing but a copied client, and a file whose name a pattern could be."""
    directory = tmp_path / "copied"
    directory.mkdir()
    program = directory / "tshell.py"
    program.write_text(f"#!{sys.executable}\n" + (ROOT / "tshell.py").read_text())
    program.chmod(0o755)
    (directory / "one.txt").touch()
    return directory


@pytest.mark.parametrize("words_in", [words_in_bash, words_in_zsh, words_in_fish])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("~/tshell.py -p {} systemstatus up", "uptime\n"),
        ("./tshell.py --json -H 127.0.0.1 --port {} -- systemstatus up", "uptime\n"),
        ("./tshell.py -p{} sys", "systemstatus\n"),
        ("./tshell.py --js", "--json\n"),
        ("./tshell.py --word", ""),
        ("./tshell.py -p ", ""),
        ("./tshell.py -p {} systemstatus choose ", "*.txt\na b\n"),
    ],
)
def test_shells_complete_from_the_server(
    server: Server, copied: Path, words_in: Callable[[str, str, Path], str], line: str, expected: str
) -> None:
    found = words_in(line.split()[0], line.format(server.port), copied)
    if words_in is words_in_bash:  # the others quote by themselves
        expected = expected.replace(" ", "\\ ").replace("*", "\\*")
    assert found.strip() == expected.strip()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_what_their_shells_can_read(server: Server, shell: str) -> None:
    script = tshell(server, "--complete", shell).stdout
    assert "--words" in script
    if shutil.which(shell):
        check = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, timeout=20, check=False)
        assert (check.returncode, check.stderr) == (0, "")


# Programs.


def test_a_client_calls_methods_and_iterates_what_they_yield(server: Server) -> None:
    with Client(server.host, server.port) as client:
        assert client.call("hostname") == "mycomputerhostname"
        assert client.call("systemstatus.args", "a", "b") == "a|b"
        assert client.execute("hostname") == "mycomputerhostname\n"
        assert "systemstatus" in [service["name"] for service in client.call("services.list")]
        counted = client.stream("systemstatus.count", upto=3)
        assert list(counted) == [0, 1, 2]
        for number in client.stream("systemstatus.count", upto=1_000_000):
            if number == 5:
                break  # who leaves it ends it
        assert client.call("hostname") == "mycomputerhostname"
        with pytest.raises(CallError, match="ValueError: no") as caught:
            client.call("systemstatus.fail")
        assert (caught.value.code, caught.value.data) == (-32000, {"type": "ValueError", "message": "no"})
        with pytest.raises(TypeError, match="all by position or all by name"):
            client.call("systemstatus.count", 1, upto=2)


def test_a_client_may_take_its_time_before_its_first_call(server: Server) -> None:
    with Client(server.host, server.port) as client:
        time.sleep(1)  # more than a silent connection is given
        assert client.call("hostname") == "mycomputerhostname"


def test_a_clients_calls_and_streams_may_overlap(server: Server) -> None:
    with Client(server.host, server.port) as client:
        for number in client.stream("systemstatus.count", upto=3):
            assert client.call("systemstatus.args", str(number)) == str(number)
        one, other = (client.stream("systemstatus.count", upto=1000) for _ in range(2))
        assert all(first == second for first, second in zip(one, other, strict=True))
        late = client.stream("systemstatus.count", upto=1000)
        assert client.call("hostname") == "mycomputerhostname"
        assert list(late) == list(range(1000))
        assert list(late) == []
        twice = client.stream("systemstatus.count", upto=4)
        assert list(zip(twice, twice, strict=True)) == [(0, 1), (2, 3)]
        one = client.stream("systemstatus.count", upto=1_000_000)
        one.close()
        assert (list(one), client.call("hostname")) == ([], "mycomputerhostname")


def test_a_client_keeps_no_more_than_so_many_items(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tshell.UNREAD_LIMIT", 10)
    with Client(server.host, server.port) as client:
        stream = client.stream("systemstatus.count", upto=100_000)
        with pytest.raises(CallError, match="10 items of other streams are unread; read or close those first"):
            client.call("systemstatus.wait")
        assert list(stream) == list(range(100_000))
        assert client.call("hostname") == "mycomputerhostname"
        wait_for(lambda: client.call("jobs.list") == [], "the end of what was not waited for")


def test_what_json_cannot_say_is_refused_before_it_is_sent(server: Server) -> None:
    with Client(server.host, server.port) as client:
        with pytest.raises(ValueError, match="not JSON compliant"):
            client.call("systemstatus.echo", float("nan"))
        assert client.call("systemstatus.echo", 0.5) == 0.5


# Elsewhere than on a plain port, and with a login.

TOKEN = "smt_right"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the server's certificate, which is its own authority, and a client's."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl")
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
    """A server that listens in several places, most of which ask for a login."""

    def __init__(self, start: Callable[..., Server], services: Path, directory: Path, certificates: Path) -> None:
        self.directory, self.certificates = directory, certificates
        with UsersFile(directory / "users.json").changed() as users:
            users["anna"] = User("anna", ("admin",), token=Token(hash_token(TOKEN)))
        files = f'certificate = "{certificates}/server.pem", key = "{certificates}/server.key"'
        (directory / "smanager.toml").write_text(
            f"""
            users_file = "{directory}/users.json"
            listeners.open.unix = "{directory}/open"
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
        write_service(services, SEED_SERVICE + MORE)
        self.server = start(
            *("--config", directory / "smanager.toml", "--state-dir", directory / "state", "--services", services)
        )
        _, tcp, tls = re.findall(r":(\d+)", self.server.wait_for_log("^listening on .*")[0])
        self.options = {
            "unix": ["--unix", f"{directory}/locked"],
            "tcp": ["-p", tcp],
            **{place: ["--unix", f"{directory}/{place}"] for place in ("json", "raw", "people")},
            "tls": ["-H", "localhost", "-p", tls, "--ca", f"{certificates}/server.pem"],
        }

    def client(self, place: str, *words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "tshell.py"), *self.options[place], *words],
            env=os.environ | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def session(self, place: str, **environment: str) -> pexpect.spawn[str]:
        return pexpect.spawn(
            sys.executable,
            [str(ROOT / "tshell.py"), *self.options[place]],
            timeout=SECONDS,
            encoding="utf-8",
            dimensions=(30, 90),
            env={**os.environ, "TERM": "xterm", **environment},
        )


@pytest.fixture
def guarded(start: Callable[..., Server], services: Path, tmp_path: Path, certificates: Path) -> Guarded:
    return Guarded(start, services, tmp_path, certificates)


PLACES = pytest.mark.parametrize("place", ["unix", "tcp", "tls"])


@PLACES
def test_a_token_lets_in_everywhere_and_in_every_mode(guarded: Guarded, place: str) -> None:
    assert guarded.client(place, "hostname", SMANAGER_TOKEN=TOKEN).stdout == "mycomputerhostname\n"
    result = guarded.client(place, stdin="hostname\nsystemstatus fail\n", SMANAGER_TOKEN=TOKEN)
    assert (result.stdout, result.returncode) == ("mycomputerhostname\n", 1)
    line = f"tshell {shlex.join(guarded.options[place])} systemstatus up"
    assert guarded.client(place, "--words", line, SMANAGER_TOKEN=TOKEN).stdout == "uptime\n"
    counted = guarded.client(place, "systemstatus count 50000", SMANAGER_TOKEN=TOKEN).stdout
    assert counted == "".join(f"{number}\n" for number in range(50000))


@PLACES
def test_a_session_with_a_token_is_one_like_any_other(guarded: Guarded, place: str) -> None:
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
def test_a_login_may_come_first_whatever_a_listener_takes_its_clients_for(guarded: Guarded, place: str) -> None:
    result = guarded.client(place, "hostname", SMANAGER_TOKEN=TOKEN)
    assert (result.stdout, result.stderr) == ("mycomputerhostname\n", "")
    result = guarded.client(place, "hostname", SMANAGER_TOKEN="smt_wrong")
    assert (result.returncode, result.stdout) == (3, "")


def test_a_token_lets_in_where_people_are_expected_and_is_shown_to_nobody(guarded: Guarded) -> None:
    child = guarded.session("people", SMANAGER_TOKEN=TOKEN)
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    assert child.before
    assert (TOKEN in child.before, "login:" in child.before) == (False, False)
    child.send("hostname\r")
    child.expect_exact("mycomputerhostname\r\n")
    child.close(force=True)


@PLACES
def test_who_is_not_let_in_is_told_so(guarded: Guarded, place: str) -> None:
    result = guarded.client(place, "hostname", SMANAGER_TOKEN="smt_wrong")
    assert (result.returncode, result.stdout) == (3, "")
    assert re.fullmatch("tshell: SManager at .* says: this token is not valid\n", result.stderr)
    result = guarded.client(place, "hostname")
    assert (result.returncode, result.stdout) == (3, "")
    assert "requires a login; give a token in SMANAGER_TOKEN or with --token-file\n" in result.stderr
    child = guarded.session(place, SMANAGER_TOKEN="smt_wrong")
    child.expect_exact("*** this token is not valid")
    child.expect_exact("\rtshell: lost SManager at ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def test_a_program_has_all_of_it_too(guarded: Guarded) -> None:
    port, authority = int(guarded.options["tls"][3]), f"{guarded.certificates}/server.pem"
    with Client("localhost", port, ca=authority, token=TOKEN) as client:
        assert client.call("hostname") == "mycomputerhostname"
    refused = Client(unix=f"{guarded.directory}/locked", token="smt_wrong")
    with refused, pytest.raises(ConnectionError, match="locked says: this token is not valid"):
        refused.call("hostname")
    with pytest.raises(ValueError, match="a token should be one word"):
        Client(token="a\nkill")


def test_a_client_certificate_lets_in(guarded: Guarded) -> None:
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
def test_a_certificate_that_is_not_right_is_said_in_one_line(guarded: Guarded, options: list[str], said: str) -> None:
    values = {"port": guarded.options["tls"][3], "ca": f"{guarded.certificates}/server.pem"}
    guarded.options["tls"] = ["-p", values["port"], *(option.format(**values) for option in options)]
    result = guarded.client("tls", "hostname", SMANAGER_TOKEN=TOKEN)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (3, "", 1)
    assert result.stderr.startswith(f"tshell: {said.format(**values)}")


def test_the_server_knows_for_whom_an_ssh_session_is(guarded: Guarded) -> None:
    guarded.options["ssh"] = ["--unix", f"{guarded.directory}/open", "--ssh"]
    commands = {"SSH_ORIGINAL_COMMAND": "systemstatus wait &; jobs; cancel 1", "SMANAGER_USER": "anna@laptop"}
    assert " for anna@laptop from a unix socket, " in guarded.client("ssh", **commands).stdout
    assert (
        "anna for bert from a unix"
        in guarded.client(
            "ssh",
            SSH_ORIGINAL_COMMAND="systemstatus wait &; jobs; cancel 2",
            SMANAGER_USER="bert",
            SMANAGER_TOKEN=TOKEN,
        ).stdout
    )
    child = guarded.session("ssh", SMANAGER_USER="bert")
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    child.send("systemstatus wait\r")
    wait_for(lambda: " for bert from a unix socket, " in guarded.server.ask("jobs"), "the command")
    child.send("\x03\x04")
    child.expect(pexpect.EOF)
