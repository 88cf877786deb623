"""The command line: how the program starts, what it refuses, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.config.file import TABLES
from tests.conftest import ROOT, SECONDS, SEED_SERVICE, Server, as_text, read_until, run_program, write_service
from tests.live.clients import smanager


def test_ready_is_one_line_on_stderr(server: Server) -> None:
    assert server.log == f"listening on 127.0.0.1:{server.port}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--services", "/nowhere"], 1, "smanager: the services directory /nowhere does not exist; "),
        (["--services", str(ROOT / "tox.ini")], 1, "is not a directory; "),
        (
            ["--host", "0.0.0.0"],
            1,
            "smanager: 0.0.0.0:10000 can be reached from other machines, and anyone could run every command; ",
        ),
        (["--host", ""], 1, "smanager: (all):10000 can be reached from other machines"),
        (["--host", "nowhere.invalid"], 1, "smanager: cannot listen on nowhere.invalid:10000: "),
        (
            ["--host", "192.0.2.1", "--insecure"],
            1,
            "smanager: cannot listen on 192.0.2.1:10000: cannot assign requested address; it should be an "
            "address of this machine",
        ),
        (["--port", "70000"], 2, "argument --port: '70000' should be a whole number from 0 to 65535"),
        (["--max-sessions", "0"], 2, "argument --max-sessions: '0' should be a whole number from 1"),
        (["--prot", "1"], 2, "unrecognized arguments: --prot"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], status: int, message: str) -> None:
    result = smanager(*arguments)
    assert (result.returncode, result.stdout) == (status, "")
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('permissions = "0660"', "(permissions belongs in a listener's table, such as [listeners.lan])"),
        (
            '[listeners.lan]\ntcp = "127.0.0.1:0"\nroles = ["veiw"]',
            "[listeners.lan] there is no role veiw; did you mean view?",
        ),
        ('[listeners.a]\nunix = "s"\n[listeners.b]\nunix = "s"', "s is listened on twice, by a and b"),
        ('[listeners.a]\nunix = "none/s"', "none/.s.lock: no such file or directory; create the directory first"),
        (
            '[listeners.a]\nunix = "s"\ngroup = "nosuchgroup"',
            "[listeners.a] group: there is no group nosuchgroup; `getent group` lists the groups",
        ),
        (
            '[listeners.a]\nunix = "s"\nowner = "nosuchuser"',
            "[listeners.a] owner: there is no user nosuchuser; `getent passwd` lists the users",
        ),
    ],
)
def test_what_is_wrong_with_listeners_is_said_in_one_line(
    tmp_path: Path, services: Path, text: str, message: str
) -> None:
    (tmp_path / "smanager.toml").write_text(text)
    result = smanager("--config", str(tmp_path / "smanager.toml"), "--services", str(services))
    assert (result.returncode, result.stdout) == (1, "")
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    if "getent" in message:  # which can be known without listening
        check = smanager("--check", "--config", str(tmp_path / "smanager.toml"), "--services", str(services))
        assert (check.returncode, message in check.stdout) == (1, True)


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = smanager("--port", str(port))
    assert result.returncode == 1
    assert result.stderr.startswith(f"smanager: cannot listen on 127.0.0.1:{port}: ")
    assert result.stderr.endswith("is another SManager running? try another port\n")
    assert result.stderr.count("\n") == 1


def test_a_port_that_a_service_takes_before_the_manager_listens_is_said_in_one_line(
    services: Path, tmp_path: Path, free_port: int
) -> None:
    take = f"socket.create_server(('127.0.0.1', {free_port}))"
    write_service(services, SEED_SERVICE + f"    def start(self): import socket; self.taken = {take}\n")
    result = smanager("--services", str(services), "--state-dir", str(tmp_path / "state"), "--port", str(free_port))
    said = f"smanager: cannot listen on 127.0.0.1:{free_port}: address already in use; is another SManager running?"
    assert (result.returncode, result.stderr.splitlines()[-1].startswith(said)) == (1, True), result.stderr
    assert "Traceback" not in result.stderr


def test_other_machines_may_reach_it_where_it_is_said_to_be_meant(start: Callable[..., Server], services: Path) -> None:
    assert start("--services", services, "--host", "0.0.0.0", "--insecure").host == "0.0.0.0"


def test_version() -> None:
    assert smanager("--version").stdout.startswith("smanager 0.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(server: Server, number: signal.Signals) -> None:
    with server.connect() as person:
        read_until(person, b"\r\n>")
        server.process.send_signal(number)
        assert b"SManager is stopping" in read_until(person, b"press Enter\r\n")
    assert server.process.wait(SECONDS) == 0


def test_kill_ends_it_in_order(server: Server) -> None:
    assert server.ask("kill") == ""
    assert server.process.wait(SECONDS) == 0


def test_services_are_found_in_the_working_directory_by_an_installed_command(services: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import pathlib; from smanager.config import file, options; "
            "file.ROOT = pathlib.Path('/'); print(options.config_of(options.parsed([])).services)",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=services.parent,
        env=environment,
    )
    assert str(services) in result.stdout


INSTALLED = """
import pathlib, sys
from smanager import cli
from smanager.config import file
file.ROOT = pathlib.Path("/nowhere")  # as in site-packages, where neither `services` nor smanager.py is
sys.exit(cli.main(sys.argv[1:]))
"""


def installed(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, run in a directory."""
    (directory / "installed.py").write_text(INSTALLED)
    return as_text(run_program(directory / "installed.py", *arguments, directory=directory))


PROGRAM = '[services.web]\nprogram = ["sleep", "3600"]\n'


@pytest.mark.parametrize("where", ["here", "elsewhere", "beside a file called services"])
def test_programs_need_no_services_directory(tmp_path: Path, where: str) -> None:
    directory = tmp_path / "empty" if where == "elsewhere" else tmp_path
    directory.mkdir(exist_ok=True)
    if "file" in where:
        (tmp_path / "services").touch()  # as /etc/services is
    (tmp_path / "smanager.toml").write_text(PROGRAM)
    result = installed(directory, "--check", "--config", str(tmp_path / "smanager.toml"))
    assert (result.returncode, result.stderr) == (0, "")
    assert "web\nRuns sleep 3600\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no services directory {0}/services, and no program in {0}/smanager.toml; make either, or "),
        (["--services", "more"], "the services directory {0}/more does not exist; "),
        (["--config", "more.toml"], "{0}/more.toml: no such file or directory"),
        (["--config", "wrong.toml"], "{0}/wrong.toml: there is no setting 'prot'; "),
    ],
)
def test_what_is_missing_is_named_by_its_whole_path(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "wrong.toml").write_text("prot = 1")
    result = installed(tmp_path, "--check", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"smanager: {message.format(tmp_path)}")


def test_a_working_directory_that_was_deleted_is_said_in_one_line(tmp_path: Path) -> None:
    command = f'rmdir "$PWD"; exec {sys.executable} {ROOT / "smanager.py"} --check --config x'
    result = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=SECONDS, check=False, cwd=tmp_path
    )
    message = "smanager: the working directory cannot be used: no such file or directory; change to another one\n"
    assert (result.returncode, result.stderr) == (1, message)


def test_check_describes_all_and_starts_nothing(services: Path) -> None:
    write_service(services, SEED_SERVICE + f"\n    def start(self): open({str(services / 'started')!r}, 'w')\n")
    result = smanager("--check", "--services", services)
    assert result.returncode == 0
    assert "uptime: Returns uptime of system" in result.stdout
    assert result.stdout.endswith("no problems found\n")
    assert not (services / "started").exists()


def test_the_example_of_a_configuration_has_every_key_and_no_problem(services: Path) -> None:
    path = ROOT / "examples" / "smanager.toml"
    result = smanager("--check", "--config", path, "--services", services)
    assert (result.returncode, result.stderr) == (0, "")
    keys = set(re.findall(r"^(?:# )?(\w+) = ", path.read_text(), re.MULTILINE))
    root = TABLES[""].keys() - {table[1:].partition(".")[0].rstrip("]") for table in TABLES}
    assert keys == root.union(*(known for table, known in TABLES.items() if table.startswith("[")))


def test_check_reports_every_problem(services: Path) -> None:
    write_service(services, "y = = 2\n", "broken.py")
    write_service(
        services,
        "from smanager import SService\nclass A(SService):\n    def cmd_x(self, a: list, *b): ...\n",
        "lists.py",
    )
    write_service(
        services,
        "from smanager import SService\nclass B(SService):\n    def toplevel_cmd_kill(self): ...\n",
        "taken.py",
    )
    write_service(
        services,
        "from smanager import SService\nclass C(SService):\n"
        "    def cmd_x(self, a: 'Foo', b: 'int') -> 'Bar':\n        \"\"\"Is there\"\"\"\n",
        "unknown.py",
    )
    result = smanager("--check", "--services", services)
    assert result.returncode == 1
    assert "unknown.py: line 3: cmd_x: its annotation 'Foo' is unknown\n" in result.stdout
    assert "Bar" not in result.stdout
    assert "x: Is there\n" in result.stdout
    assert "broken.py: line 1: SyntaxError" in result.stdout
    assert (
        "lists.py: line 3: cmd_x: a and b are both lists; at most one parameter can take several words" in result.stdout
    )
    assert "taken.py: toplevel_cmd_kill of b needs its service's name: kill is the manager's" in result.stdout


@pytest.mark.parametrize("option", ["--check", "--docs"])
def test_a_page_that_cannot_be_written_is_said(services: Path, option: str) -> None:
    command = f"{sys.executable} {ROOT / 'smanager.py'} {option} --services {services}"
    full = subprocess.run(["sh", "-c", f"{command} >/dev/full"], capture_output=True, timeout=SECONDS, check=False)
    assert (full.returncode, full.stderr) == (1, b"smanager: cannot write the output: no space left on device\n")


def test_the_command_reference_is_written_from_the_records(services: Path) -> None:
    typed = '''
from smanager import SService, command
class Typed(SService):
    """Typed things"""
    def toplevel_cmd_go(self, where: str, *, fast: bool = False):
        """Goes there

        Args:
            where: the place
            fast: in a hurry
        """
    @command(hidden=True)
    def cmd_secret(self): ...
    @command(aliases=["ls", "dir"])
    def cmd_list(self):
        """Lists

        Returns
        -------
        what there is, as ```
        """
'''
    write_service(services, typed, "typed.py")
    (services / "systemstatus.py").unlink(missing_ok=True)
    result = smanager("--docs", "--services", services)
    assert (result.returncode, result.stderr) == (0, "")
    manager, services_part = re.split("(?=^## typed)", result.stdout, flags=re.MULTILINE)
    assert manager.startswith("# Commands\n\n## The manager\n\n")
    assert "\n### kill\n\n```text\nkill\n```\n" in manager
    assert services_part == (
        "## typed\n\nTyped things\n\n"
        "### typed list\n\n```text\ntyped list\n```\n\nLists\n\n"
        "````text\nReturns\n-------\nwhat there is, as ```\n````\n\nAlso called: `ls`, `dir`\n\n"
        "### typed go\n\n"
        "```text\ntyped go [--fast] where\ngo [--fast] where\n```\n\n"
        "Goes there\n\n- `where`: text: the place\n- `--fast`: flag: in a hurry\n"
    )


HOMELESS = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
os.environ.pop("HOME", None), os.environ.pop("XDG_STATE_HOME", None)
os.getuid = lambda: 54321  # a user whom passwd does not have
from smanager.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_user_without_a_home_directory_can_run_the_manager(services: Path, free_port: int) -> None:
    command = [sys.executable, "-c", HOMELESS, str(ROOT), "--port", str(free_port), "--services", str(services)]
    server = Server(command=command)
    try:
        assert server.ask("hostname") == "mycomputerhostname\n"
        server.wait_for_log("the user 54321 has no home directory .*; logs and stops are kept in memory only$")
    finally:
        server.stop()
