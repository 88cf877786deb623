"""Hosts and programs at the limits of the operating system: descriptors, processes, memory."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, SEED_SERVICE, Server, is_in
from tests.live.checks import MARK, sleepers
from tests.live.samples import SERVICES


def test_a_fork_bomb_is_bounded_by_its_limit(reloaded: Callable[..., Server]) -> None:
    bomb = f"while :; do sleep {MARK} & done"
    server = reloaded(f'[services.bomb]\nprogram = ["sh", "-c", "{bomb}"]\nuser = "nobody"\nlimits = {{ nproc = 30 }}')
    is_in(server, "bomb", "running")
    server.wait_for_log("bomb: .*(annot fork|temporarily unavailable)")
    assert "bomb: stopped (by " in server.ask("stop bomb")
    assert not sleepers()


def test_without_descriptors_a_start_fails_with_the_reason_and_is_tried_again(kept: Callable[..., Server]) -> None:
    server = kept(systemstatus=SEED_SERVICE)
    with server.connect() as connection:  # while it still can be accepted
        connection.sendall(b"hostname\n")
        connection.recv(100)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (5, 20_000))
        os.kill(server.children()[0], signal.SIGKILL)
        server.wait_for_log("systemstatus: no process can be started for it: .*Too many open files; started again in")
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (20_000, 20_000))
    is_in(server, "systemstatus", "running")


NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"
"""One that others than root can read."""


def system_python_is_new() -> bool:
    script = "import sys; sys.exit(sys.version_info < (3, 11))"
    return Path(SYSTEM_PYTHON).exists() and subprocess.call([SYSTEM_PYTHON, "-c", script]) == 0


@pytest.mark.skipif(
    os.getuid() != 0 or not system_python_is_new(),
    reason=f"only root can run the manager as somebody else, and that with a {SYSTEM_PYTHON} of 3.11 or newer",
)
def test_where_no_process_may_be_made_the_reason_is_told_and_it_is_tried_again() -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are for root alone, again at each start of a pytest
        run_out_of_processes(Path(directory))


def run_out_of_processes(directory: Path) -> None:
    (directory / "services").mkdir()
    for path in (directory, directory / "services"):
        os.chown(path, NOBODY, NOBODY)
    (directory / "services" / "systemstatus.py").write_text(SEED_SERVICE)
    root = ROOT
    as_nobody = (
        f"import os, resource, signal, sys; sys.path.insert(0, {str(root)!r}); import smanager.cli; "
        f"os.setgid({NOBODY}); os.setuid({NOBODY}); "
        "children = lambda: open(f'/proc/self/task/{os.getpid()}/children').read().split(); "
        "limit = lambda soft: [resource.prlimit(int(one), resource.RLIMIT_NPROC, (soft, 1000)) for one in children()]; "
        "signal.signal(signal.SIGURG, lambda *_: [limit(0), print('limited', file=sys.stderr, flush=True)]); "
        "signal.signal(signal.SIGWINCH, lambda *_: limit(1000)); "
        "sys.argv = ['smanager', '--port', '0', '--services', 'services']; "
        "sys.exit(smanager.cli.main())"
    )
    server = Server(command=[SYSTEM_PYTHON, "-c", as_nobody], directory=directory)
    try:
        server.process.send_signal(signal.SIGURG)
        server.wait_for_log("limited")
        os.kill(server.children()[0], signal.SIGKILL)
        server.wait_for_log(
            "systemstatus: no process can be started for it: .*temporarily unavailable; started again in"
        )
        server.process.send_signal(signal.SIGWINCH)
        is_in(server, "systemstatus", "running")
    finally:
        server.stop()


def started_with(soft: int, directory: Path, configuration: str) -> Server:
    """A manager in this directory that was started with this limit on open files."""
    (directory / "smanager.toml").write_text(configuration)
    command = f"ulimit -S -n {soft} && exec {sys.executable} {ROOT / 'smanager.py'} --port 0 --services services"
    return Server(command=["sh", "-c", command])


def test_what_the_manager_starts_has_the_limit_on_open_files_that_the_manager_was_started_with(directory: Path) -> None:
    limits = SERVICES.replace("class Steady", "import resource\n\n\nclass Steady") + (
        "    def cmd_limit(self): return resource.getrlimit(resource.RLIMIT_NOFILE)[0]\n"
    )
    (directory / "services" / "steady.py").write_text(limits)
    program = 'program = ["sh", "-c", "ulimit -S -n > $0.limit; exec sleep 3600", "{0}"]\n'
    probe = 'ready_when = { command = ["sh", "-c", "ulimit -S -n > probe.limit"] }\n'
    many = "".join(f"[services.p{number}]\n{program.format(number)}" for number in range(25))  # need more than 40
    server = started_with(40, directory, f"{many}[services.last]\n{program.format('last')}{probe}after = ['p24']\n")
    try:
        for number in range(25):
            is_in(server, f"p{number}", "running")
        is_in(server, "last", "running")
        assert {path.read_text() for path in directory.glob("*.limit")} == {"40\n"}
        assert server.ask("neighbour limit") == "40\n"
    finally:
        server.stop()


def test_a_service_is_limited_with_its_process(reloaded: Callable[..., Server]) -> None:
    limits = (
        SERVICES + "    def cmd_limit(self): import resource; return resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
    )
    server = reloaded("[services.steady]\nlimits = { nofile = 77 }", steady=limits)
    assert server.ask("neighbour limit") == "77\n"
    Path("smanager.toml").write_text("[services.steady]\nlimits = { nofile = 1_000_000_000_000 }\ngive_up_after = 1")
    server.ask("reload")
    assert "its limits cannot be set: " in server.ask("why steady")
