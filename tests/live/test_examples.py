"""The example scripts, run as programs: against a stub of a manager, and against a real one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo_script import smanager_cmd
from tests.conftest import ROOT, SECONDS, Server

EXAMPLES = ROOT / "examples"

HELP_WITH_SCRAPMAN = "TOP: captest hostname\nSERVICES: scrapman systemstatus\nCOMMANDS: help kill restart\n"
HELP_WITHOUT_SCRAPMAN = "TOP: scrapman\nSERVICES: scrapmanager systemstatus\nCOMMANDS: help kill restart\n"


@contextmanager
def manager(*answers: str) -> Iterator[tuple[int, list[str]]]:
    """Answer one connection after another; yields the port and the questions read so far."""
    questions: list[str] = []

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            connection.settimeout(SECONDS)
            with connection, connection.makefile("r") as stream:
                questions.append(stream.read())  # to the end: the client must close its half
                connection.sendall(answer.encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1], questions
        server.join(SECONDS)
        assert not server.is_alive()


def run_example(script: str, port: int | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments],
        env={**os.environ, "SMANAGER_HOST": "127.0.0.1", "SMANAGER_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_smanager_cmd_sends_a_line_closes_its_half_and_returns_the_whole_answer() -> None:
    long_answer = "ü" * 200_000 + "\nlast line\n"
    with manager(long_answer) as (port, questions):
        assert smanager_cmd("127.0.0.1", port, "systemstatus uptime") == long_answer
    assert questions == ["systemstatus uptime\n"]


def test_smanager_cmd_raises_oserror_without_a_server(free_port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        smanager_cmd("127.0.0.1", free_port, "help -s")


def test_demo_script_prints_the_short_help() -> None:
    with manager(HELP_WITH_SCRAPMAN) as (port, questions):
        finished = run_example("demo_script.py", port)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, HELP_WITH_SCRAPMAN, "")
    assert questions == ["help -s\n"]


def test_demo_script_reports_a_missing_manager_in_one_line(free_port: int) -> None:
    finished = run_example("demo_script.py", free_port)
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"no answer from smanager at 127.0.0.1:{free_port}: ")
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["demo_script.py", "heartbeat.py"])
def test_a_malformed_port_is_reported_in_one_line(script: str) -> None:
    finished = run_example(script, "telnet")
    assert (finished.returncode, finished.stderr) == (1, "SMANAGER_PORT should be a port number\n")


def test_heartbeat_appends_scrapmans_answer(tmp_path: Path) -> None:
    log = tmp_path / "heartbeat.log"
    log.write_text("an earlier line\n")
    with manager(HELP_WITH_SCRAPMAN, "12:00:00 wrote it\n") as (port, questions):
        finished = run_example("heartbeat.py", port, str(log))
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    assert questions == ["help -s\n", "scrapman get_heartbeat\n"]
    earlier, entry = log.read_text().splitlines()
    assert earlier == "an earlier line"
    assert entry.endswith(" Scrapman heartbeat: 12:00:00 wrote it")


def test_heartbeat_is_not_fooled_by_a_name_that_contains_scrapman(tmp_path: Path) -> None:
    log = tmp_path / "heartbeat.log"
    with manager(HELP_WITHOUT_SCRAPMAN) as (port, _):
        finished = run_example("heartbeat.py", port, str(log))
    assert finished.returncode == 1
    assert log.read_text().endswith(" Scrapman not available\n")


def test_heartbeat_logs_an_error_answer_and_fails(tmp_path: Path) -> None:
    log = tmp_path / "heartbeat.log"
    with manager(HELP_WITH_SCRAPMAN, "*** scrapman died\n") as (port, _):
        finished = run_example("heartbeat.py", port, str(log))
    assert finished.returncode == 1
    assert log.read_text().endswith(" Scrapman heartbeat: *** scrapman died\n")


def test_heartbeat_logs_a_missing_manager(tmp_path: Path, free_port: int) -> None:
    log = tmp_path / "heartbeat.log"
    finished = run_example("heartbeat.py", free_port, str(log))
    assert (finished.returncode, finished.stderr) == (1, "")
    assert f"Couldn't get an answer from smanager at 127.0.0.1:{free_port}: " in log.read_text()


def test_heartbeat_reports_an_unwritable_log_in_one_line(tmp_path: Path, free_port: int) -> None:
    finished = run_example("heartbeat.py", free_port, str(tmp_path / "missing" / "heartbeat.log"))
    assert finished.returncode == 1
    assert finished.stderr.startswith("cannot write the log: ")
    assert finished.stderr.count("\n") == 1


def test_the_scripts_work_with_a_real_manager(start: Callable[..., Server], services: Path, tmp_path: Path) -> None:
    port = start("--services", services, "--services", EXAMPLES / "services").port
    demo = run_example("demo_script.py", port)
    assert (demo.returncode, demo.stderr) == (0, "")
    assert demo.stdout.startswith("TOP: captest capture_at scrapfreq startcap stopcap hostname\n")
    log = tmp_path / "heartbeat.log"
    assert run_example("heartbeat.py", port, str(log)).returncode == 0
    assert "Scrapman heartbeat: no capture yet" in log.read_text()
