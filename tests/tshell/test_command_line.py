"""The client as a program: options, commands and scripts, their output and exit status."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import tshell
from tests.conftest import SECONDS, Server
from tests.tshell.conftest import CLIENT, Stub, result, run, run_on


@pytest.mark.parametrize(
    ("command", "output", "errors", "status"),
    [
        (["hostname"], b"box\n", b"", 0),
        (["silent"], b"", b"", 0),
        (["notified"], b"box\n", b"", 0),
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


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_the_server_never_gets_what_was_meant_for_a_closed_stream(stub: Stub, closing: str) -> None:
    for words, status in (("two words", 0), ("partly", 1)):
        shell = ["sh", "-c", f'exec "$@" {closing}', "sh", *CLIENT, "-p", str(stub.port), words]
        assert subprocess.run(shell, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False).returncode == status
    assert stub.lines == [["two words"], ["partly"]]


def test_a_script_runs_its_lines_one_by_one_over_one_connection(stub: Stub) -> None:
    done = run("-p", stub.port, script=b"\xef\xbb\xbf# a comment\n\n  hostname\r\nnonesuch\npartly\ntwo words")
    assert done.stdout == b"box\none\ntwo\ntwo\n"
    assert done.returncode == 2
    assert stub.lines == [["hostname", "nonesuch", "partly", "two words"]]


def test_a_script_without_commands_needs_no_server(free_port: int) -> None:
    done = run("-p", free_port, script=b"\n# nothing\n")
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


def test_bytes_outside_utf_8_in_a_script_reach_the_server() -> None:
    stub = Stub(lambda line: result(line + "\n"))
    with contextlib.closing(stub):
        assert run("-p", stub.port, script=b"caf\xe9\n").stdout == b"caf\xe9\n"


def test_the_environment_sets_the_defaults_and_options_override_it(stub: Stub, free_port: int) -> None:
    environment = {"SMANAGER_HOST": "127.0.0.1", "SMANAGER_PORT": str(stub.port)}
    assert run("hostname", environment=environment).stdout == b"box\n"
    environment = {"SMANAGER_HOST": "192.0.2.1", "SMANAGER_PORT": str(free_port)}
    assert run("-H", "127.0.0.1", "-p", stub.port, "hostname", environment=environment).stdout == b"box\n"


def test_a_unix_socket_replaces_host_and_port(unix_stub: str, stub: Stub, free_port: int) -> None:
    assert run("--unix", unix_stub, "hostname").stdout == b"box\n"
    environment = {"SMANAGER_UNIX": unix_stub, "SMANAGER_PORT": str(free_port)}
    assert run(script=b"hostname\n", environment=environment).stdout == b"box\n"
    assert run("-p", stub.port, "hostname", environment=environment).returncode == 0
    assert stub.lines == [["hostname"]]
    with tshell.Client(unix=unix_stub) as client:
        assert client.execute("hostname") == "box\n"


def test_a_unix_socket_and_a_port_are_mutually_exclusive(unix_stub: str, stub: Stub) -> None:
    done = run("--unix", unix_stub, "-p", stub.port, "hostname")
    assert done.returncode == 2
    assert b"--unix cannot be combined with -H, -p, --tls, --ca, --cert or --key\n" in done.stderr


def test_a_unix_socket_without_a_server_is_reported_in_one_line(tmp_path: Path) -> None:
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
def test_an_impossible_host_name_is_reported_in_one_line(host: str) -> None:
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
def test_a_lost_or_foreign_server_is_reported_in_one_line(stub: Stub, command: str, said: bytes) -> None:
    done = run("-p", stub.port, command)
    assert done.returncode == 3
    assert done.stderr.startswith(f"tshell: lost SManager at 127.0.0.1:{stub.port} (".encode())
    assert said in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_closed_pipe_ends_the_client_quietly(stub: Stub) -> None:
    pipeline = f"{shlex.join(CLIENT)} -p {stub.port} big | head -c 3; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipeline], capture_output=True, timeout=SECONDS, check=True)
    assert (done.stdout, done.stderr) == (b"xxx141\n", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_failure_to_write_the_output_is_reported_in_one_line(stub: Stub) -> None:
    command = [*CLIENT, "-p", str(stub.port), "hostname"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    assert done.stderr == b"tshell: cannot write the output: No space left on device\n"
    assert done.returncode == 1


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
    result = run_on(server, *words)
    assert (result.returncode, result.stdout) == (status, stdout)
    assert result.stderr.startswith(stderr)


def test_the_caller_who_ends_the_server_gets_an_answer(start: Callable[..., Server], services: Path) -> None:
    server = start("--services", services)
    result = run_on(server, "kill")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert server.process.wait(SECONDS) == 0


def test_commands_on_stdin_run_in_turn(server: Server) -> None:
    result = run_on(server, stdin="hostname\n\n# a comment\nsystemstatus fail\nhostname\n")
    assert (result.returncode, result.stdout) == (1, "mycomputerhostname\n" * 2)


def test_a_dash_reports_each_commands_status_and_e_stops_at_a_failure(server: Server) -> None:
    script = "hostname\nsystemstatus fail\n# a comment\nnonsense\n"
    result = run_on(server, "-", stdin=script)
    assert (result.returncode, result.stdout) == (2, "mycomputerhostname\n")
    assert [line for line in result.stderr.splitlines() if line.startswith("[")] == [
        "[0] hostname",
        "[1] systemstatus fail",
        "[2] nonsense",
    ]
    result = run_on(server, "-e", "-", stdin=script)
    assert result.returncode == 1
    assert "nonsense" not in result.stderr


def test_json_prints_answers_as_json(server: Server) -> None:
    result = run_on(server, "--json", "hostname")
    assert (result.stdout, result.stderr) == ('"mycomputerhostname"\n', "")
    result = run_on(server, "--json", "systemstatus", "fail")
    assert (result.returncode, result.stdout) == (1, '{"error": "systemstatus fail: ValueError: no"}\n')


def test_json_applies_to_each_command_of_a_line_and_reports_the_line_as_written(server: Server) -> None:
    result = run_on(server, "--json", "hostname; systemstatus args -- x; systemstatus args 'a;b'")
    assert (result.stdout, result.stderr) == ('"mycomputerhostname"\n"x"\n"a;b"\n', "")
    assert run_on(server, "--json", "-", stdin="hostname\n").stderr == "[0] hostname\n"
