"""Past runs of commands: which are kept, what is found of them, and how they are run again."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, read_until, wait_for
from tests.live.clients import Person, Program, needs, request, reset, responses

BACKUP = '''
import os, time
from smanager import SService, Secret, command


class Backup(SService):
    """Copies"""
    async def cmd_full(self, target: str = "disk", *, gate: str = "", verbose: bool = False):
        import asyncio
        yield f"to {target}"
        while gate and not os.path.exists(gate): await asyncio.sleep(0.01)
        yield "copied" if verbose else "done"
    def cmd_slow(self):
        time.sleep(0.3)
        return "slow"
    def cmd_quick(self): return "quick"
    def cmd_fail(self):
        yield "half"
        raise ValueError("no")
    def cmd_count(self, *words: str, times: int = 1, loud: bool = False):
        raise ValueError(f"{len(words)} {times} {loud}")
    def cmd_login(self, user, pin: Secret[str]): raise ValueError(f"{user} has no pin {pin}")
    def cmd_flood(self):
        yield "first"
        for number in range(300): yield f"line {number}"
        raise ValueError("last")
    def cmd_table(self): return [{"name": "a", "size": 1}, {"name": "b", "size": 2}]
    @command(kept=True)
    def cmd_each(self): return "each"
    @command(kept=False)
    def cmd_none(self): raise ValueError("no")
    def cmd_chosen(self): return "chosen"
    def cmd_private(self): raise ValueError("private")


class Other(SService):
    def cmd_fail(self): raise ValueError("other")
'''

CONFIGURATION = """
[runs]
longer_than = 0.2
always = ["backup.chosen"]
never = ["*.private"]
output = 1000
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    """A server for tests that leave nothing but runs."""
    return shared(CONFIGURATION, backup=BACKUP)


@pytest.fixture(scope="module")
def two_runs(shared: Callable[..., Server]) -> Server:
    server = shared(CONFIGURATION, backup=BACKUP)
    server.ask("backup fail; backup slow; backup quick")
    return server


def runs(server: Server, arguments: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(server.ask(f"runs {arguments} --json"))
    return found


def last(server: Server, arguments: str = "") -> dict[str, Any]:
    return runs(server, arguments)[-1]


def count(server: Server) -> int:
    return len(runs(server, "--since 1d"))


def output(server: Server, run: int) -> str:
    return server.ask(f"output {run}")


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ("backup quick", False),
        ("status", False),
        ("runs", False),
        ("output 1", False),
        ("help", False),
        ("backup", False),
        ("backup nonsense", False),
        ("backup full --nonsense", False),
        ("status nonsense", False),
        ("backup none", False),
        ("backup private", False),
        ("backup slow", True),
        ("backup fail", True),
        ("backup each", True),
        ("backup chosen", True),
        ("signal backup NONE", False),
        ("wait backup stopped --timeout 0.01", True),
    ],
)
def test_a_run_is_kept_that_was_long_or_failed_or_is_wanted(server: Server, line: str, is_kept: bool) -> None:
    before = count(server)
    server.ask(line)
    assert count(server) - before == is_kept


@pytest.mark.parametrize("line", ["backup fail", "backup slow", "backup each", "why none", "backup chosen"])
def test_what_is_watched_is_not_kept_again_and_again(server: Server, line: str) -> None:
    before = server.ask("runs --since 1h")
    with server.connect() as connection:
        connection.sendall(f"watch -n 0.05 {line}\n".encode())
        for _ in range(2):
            read_until(connection, b"\n")
            read_until(connection, b"\n" if line != "backup fail" else b"no\n")
        reset(connection)
    wait_for(lambda: server.ask("jobs") == "", "its end")
    assert server.ask("runs --since 1h") == before


def test_a_run_tells_who_did_what_when_and_how_it_ended(server: Server) -> None:
    said = server.ask("backup fail")
    assert said == "half\n*** backup fail: ValueError: no\n"
    run = last(server)
    assert (run["command"], run["user"], run["state"], run["failure"]) == (
        "backup fail",
        None,
        "failed",
        "ValueError: no",
    )
    assert run["from"].startswith("127.0.0.1:")
    assert run["seconds"] < 20
    assert output(server, run["id"]) == said
    assert json.loads(server.ask(f"output {run['id']} --json")) == {
        "output": "half\n",
        "error": "backup fail: ValueError: no",
    }
    heading, *rows = server.ask("runs").splitlines()
    assert heading == "ID\tCOMMAND\tFROM\tSINCE\tTOOK\tOUTCOME"
    assert rows[-1].startswith(f"{run['id']}\tbackup fail\t127.0.0.1:")
    assert rows[-1].endswith("\tValueError: no")


def test_a_long_output_is_cut_in_its_middle_and_says_so(server: Server) -> None:
    server.ask("backup flood")
    lines = output(server, last(server)["id"]).splitlines()
    assert (lines[0], lines[-2:]) == ("first", ["line 299", "*** backup flood: ValueError: last"])
    (gap,) = [line for line in lines if "left out" in line]
    assert gap.startswith("*** ")
    assert sum(map(len, lines)) < 1200


@pytest.mark.parametrize(
    ("arguments", "commands"),
    [
        ("backup", {"backup fail", "backup slow"}),
        ("backup.fail", {"backup fail"}),
        ("backup.fail --failed", {"backup fail"}),
        ("backup --failed --since 1h", {"backup fail"}),
        ("--since 1h", {"backup fail", "backup slow"}),
        ("backup.slow --failed", set()),
        ("other", set()),
        ("restart", set()),
        ("backup.quick", set()),
    ],
)
def test_runs_are_found(two_runs: Server, arguments: str, commands: set[str]) -> None:
    assert {run["command"] for run in runs(two_runs, arguments)} == commands


def test_runs_are_counted_from_the_end(server: Server) -> None:
    server.ask("backup fail; backup slow")
    assert [run["command"] for run in runs(server, "-n 2")] == ["backup fail", "backup slow"]
    assert runs(server, "-n 0") == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("runs nonsense", "runs: command is 'nonsense', and should be a service, SERVICE.COMMAND, or a command of"),
        ("runs --since x", "runs: since is 'x', and should be a time span"),
        ("output 999999", "output: unknown run 999999; `runs` lists those that are kept"),
        ("rerun 999999", "rerun: unknown run 999999; `runs` lists those that are kept"),
        ("output x", "output: run: 'x' should be a whole number"),
        ("output 99999999999999999999999", "output: unknown run"),
    ],
)
def test_what_is_wrong_is_one_line(server: Server, line: str, error: str) -> None:
    said = server.ask(line)
    assert said.startswith(f"*** {error}")
    assert said.count("\n") == 1


def test_in_a_services_shell_its_own_runs_are_meant(server: Server) -> None:
    server.ask("wait backup stopped --timeout 0.01; backup fail")
    commands = {run["command"] for run in json.loads(server.ask("backup; runs --json"))}
    assert "backup fail" in commands
    assert not any(command.startswith("wait") for command in commands)


def test_secrets_are_masked_and_such_a_run_is_not_run_again(server: Server) -> None:
    server.ask("backup login anna hunter2")
    run = last(server)
    assert run["command"] == "backup login anna (secret)"
    assert run["failure"] == "ValueError: anna has no pin (secret)"
    assert server.ask(f"rerun {run['id']}") == (
        f"*** rerun: run {run['id']} cannot be run again: it had a secret argument, which is not kept; "
        "give the command anew\n"
    )
    files = server.directory / "state" / "runs"
    wait_for((files / f"{run['id']}.txt").exists, "the run's file")
    assert not [path for path in files.glob("*.txt") if b"hunter2" in path.read_bytes()]


@pytest.mark.parametrize(
    "line", ["backup count 'a b' c --times 3 --loud", "backup count", "wait backup failed --timeout 0.01"]
)
def test_a_run_is_run_again_with_its_arguments(server: Server, line: str) -> None:
    said = server.ask(line)
    before = last(server)
    assert server.ask(f"rerun {before['id']}") == said
    assert last(server)["command"] == before["command"]
    assert last(server)["id"] > before["id"]


def test_a_command_given_in_a_services_shell_is_run_again_for_that_service(server: Server) -> None:
    server.ask("backup; wait stopped --timeout 0.01")
    run = last(server)
    assert run["command"] == "wait --timeout 0.01 backup stopped"
    assert server.ask(f"rerun {run['id']}").startswith("*** wait: ")


def test_arguments_that_are_too_long_are_not_kept(server: Server) -> None:
    server.ask(f"backup count {'x' * 9000}")
    assert "its arguments were too long to be kept" in server.ask(f"rerun {last(server)['id']}")


def test_a_session_that_is_cut_off_finds_the_output_of_its_command(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"backup full --gate /nowhere\n")
        read_until(connection, b"to disk\n")
        reset(connection)
    wait_for(lambda: last(server)["command"] == "backup full --gate /nowhere", "the run")
    wait_for(lambda: last(server)["state"] == "failed", "its end")
    run = last(server)
    assert (run["failure"], output(server, run["id"])) == ("cancelled", "to disk\n*** backup full: cancelled\n")


def test_a_detached_command_goes_on_without_its_session_and_can_be_followed(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with server.connect() as connection:
        read_until(connection, b">")
        connection.sendall(f"backup full --gate {gate} &\n".encode())
        shown = read_until(connection, b"\n>").decode()
    number = int(shown.split("begun as job")[1].split()[0])
    wait_for(lambda: output(server, number) == "to disk\n", "its first output")
    assert [run["state"] for run in runs(server) if run["id"] == number] == ["running"]
    with server.connect() as follower:
        follower.sendall(f"output {number} -f\n".encode())
        assert read_until(follower, b"\n") == b"to disk\n"
        gate.touch()
        assert read_until(follower, b"\n") == b"done\n"
    wait_for(lambda: output(server, number) == "to disk\ndone\n", "the end")
    assert server.ask(f"output {number} -f") == "to disk\ndone\n"
    assert [run["state"] for run in runs(server) if run["id"] == number] == ["done"]


def test_a_follower_is_told_how_a_run_failed(server: Server, tmp_path: Path) -> None:
    server.ask(f"backup full --gate {tmp_path / 'never'} &")
    number = last(server)["id"]
    with server.connect() as follower:
        follower.sendall(f"output {number} -f\n".encode())
        assert read_until(follower, b"\n") == b"to disk\n"
        server.ask(f"cancel {number}")
        assert read_until(follower, b"\n").startswith(b"*** backup full: cancelled by 127.0.0.1:")


def test_a_program_finds_the_same_text_as_a_script(server: Server) -> None:
    (answer,) = responses(server, request("shell.execute", {"line": "backup table; backup quick", "keep": True}))
    assert [output(server, number) for number in answer["result"]["runs"]] == ["name\tsize\na\t1\nb\t2\n", "quick\n"]
    assert answer["result"]["output"] == "name\tsize\na\t1\nb\t2\nquick\n"
    *_, failed = responses(server, request("backup.fail"))
    assert "error" in failed
    assert output(server, last(server)["id"]) == "half\n*** backup fail: ValueError: no\n"
    item, end = responses(server, request("output", {"run": last(server)["id"]}))
    assert item["params"]["value"] == {"output": "half\n", "error": "backup fail: ValueError: no"}
    assert end["result"] is None
    *_, again = responses(server, request("rerun", {"run": last(server)["id"]}))
    assert again["error"]["message"] == "backup fail: ValueError: no"
    (listed,) = responses(server, request("runs", {"command": "backup.fail", "count": 1}))
    assert [run["command"] for run in listed["result"]] == ["backup fail"]


def test_a_program_that_wants_runs_kept_learns_the_numbers_of_those_that_may_be(server: Server) -> None:
    (answer,) = responses(server, request("shell.execute", {"line": "status; logs -n 1; output 1", "keep": True}))
    (number,) = answer["result"]["runs"]  # of `logs` and `output` no run is ever kept
    assert output(server, number).startswith("NAME\tSTATE\t")


def test_numbers_and_services_are_completed(server: Server) -> None:
    server.ask("backup fail")
    run = str(last(server)["id"])
    with server.connect() as connection:
        program = Program(connection)
        assert run in program.call("output ", "shell.complete")["matches"]
        assert run in program.call("rerun ", "shell.complete")["matches"]
        assert program.call("runs backup.fai", "shell.complete")["matches"] == ["backup.fail"]
        assert "backup" in program.call("runs b", "shell.complete")["matches"]


def test_a_person_without_runs_is_told_so(shared: Callable[..., Server]) -> None:
    server = shared("", backup=BACKUP)
    with server.connect() as connection:
        assert Person(connection).type("runs").startswith("no runs\n")


def test_runs_outlive_the_manager_and_numbers_go_on(kept: Callable[..., Server]) -> None:
    server = kept(CONFIGURATION, backup=BACKUP)
    server.ask("backup fail")
    server.ask("backup full --gate /nowhere &")
    first, second = runs(server)
    wait_for(lambda: output(server, second["id"]) == "to disk\n", "its output")
    server.stop()
    server = kept(CONFIGURATION, backup=BACKUP)
    before = runs(server)
    assert [run["id"] for run in before] == [first["id"], second["id"]]
    assert output(server, first["id"]) == "half\n*** backup fail: ValueError: no\n"
    assert before[1]["state"] == "failed"
    assert output(server, second["id"]).startswith("to disk\n*** backup full: ")
    server.ask("backup fail")
    assert last(server)["id"] == second["id"] + 1


def test_a_run_that_was_under_way_when_the_manager_was_killed_is_lost(kept: Callable[..., Server]) -> None:
    server = kept(CONFIGURATION, backup=BACKUP)
    server.ask("backup full --gate /nowhere &")
    saved = server.directory / "state" / "runs" / "1.txt"
    wait_for(lambda: saved.exists() and b"to disk" in saved.read_bytes(), "the output to be saved")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server = kept(CONFIGURATION, backup=BACKUP)
    (run,) = runs(server, "--failed")
    assert (run["id"], run["state"], run["seconds"]) == (1, "lost", None)
    assert output(server, 1) == (
        "to disk\n*** backup full: lost: the manager was killed meanwhile, and its last output is not known\n"
    )
    assert server.ask("rerun 1 &").endswith("begun as job 2\n")


def test_the_settings_count_at_once_after_a_reload(kept: Callable[..., Server], directory: Path) -> None:
    server = kept("", backup=BACKUP)
    server.ask("backup quick; backup fail")
    assert [run["command"] for run in runs(server)] == ["backup fail"]
    (directory / "smanager.toml").write_text('[runs]\nalways = ["*.quick"]\nnever = ["*.fail"]\n')
    assert server.ask("reload") == "change runs: it has changed\n"
    server.ask("backup quick; backup fail")
    assert [run["command"] for run in runs(server)] == ["backup fail", "backup quick"]


def test_a_command_of_a_stopped_service_is_a_failed_run(kept: Callable[..., Server]) -> None:
    server = kept("", backup=BACKUP)
    server.ask("stop backup")
    said = server.ask("backup quick")
    run = last(server, "backup")
    assert (run["command"], run["state"], output(server, run["id"])) == ("backup quick", "failed", said)


def test_a_full_disk_costs_only_the_runs(kept: Callable[..., Server], directory: Path) -> None:
    server = kept("", backup=BACKUP)
    (directory / "state" / "runs").write_text("in the way")
    server.ask("backup fail; backup fail")
    server.wait_for_log("runs: cannot keep what commands have done: ")
    wait_for(lambda: "2 runs could not be kept" in server.ask("runs"), "the remark")
    assert server.ask("backup quick") == "quick\n"
    assert server.log.count("cannot keep") == 1


def test_nc_reads_a_past_output_to_the_byte(server: Server) -> None:
    needs("nc", "netcat-openbsd")
    server.ask("backup fail")
    command = ["nc", "-N", server.host, str(server.port)]
    line = f"output {last(server)['id']}\n".encode()
    found = subprocess.run(command, input=line, capture_output=True, timeout=20, check=True)
    assert found.stdout == b"half\n*** backup fail: ValueError: no\n"
