"""A manager that is killed leaves no process behind, whatever state its services are in."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.supervision.storage import STOPPED_FILE
from tests.conftest import (
    SEED_SERVICE,
    Server,
    alive,
    is_in,
    wait_for,
    write_service,
)
from tests.live.checks import MARK, sleepers
from tests.processes import shown

GONE_SECONDS = 2.0
"""Within which nothing may be left of the services of a manager that was killed."""

STATES = f"""
[services.starting]
program = ["sleep", "{MARK}"]
ready_when = {{ output = "never" }}

[services.running]
program = ["sleep", "{MARK}"]

[services.backoff]
program = ["sh", "-c", "sleep 0.05; exit 1"]

[services.stopping]
program = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep {MARK}; done"]
ready_when = {{ output = "up" }}
stop_timeout = 3600
"""


def test_a_killed_manager_leaves_nothing_in_any_state_and_the_next_starts_each_once(
    kept: Callable[..., Server], directory: Path
) -> None:
    server = kept(STATES, systemstatus=SEED_SERVICE)
    is_in(server, "stopping", "running")
    is_in(server, "running", "running")
    with server.connect() as connection:
        connection.sendall(b"stop stopping\n")
        is_in(server, "stopping", "stopping")
        wait_for((directory / "state" / STOPPED_FILE).exists, "the stop to be remembered")
        is_in(server, "backoff", "backoff")
        processes = [*server.children(), *sleepers()]
        server.process.kill()
        server.process.wait()
    deadline = time.monotonic() + GONE_SECONDS
    while any(map(alive, processes)):
        assert time.monotonic() < deadline, subprocess.getoutput("ps -ef")
        time.sleep(0.02)
    assert not sleepers()
    server = kept(STATES)
    is_in(server, "running", "running")
    is_in(server, "starting", "starting")
    assert len(sleepers()) == 2  # `stopping` was told to stop


HELD = """
import ctypes, subprocess
from smanager import SService


class Held(SService):
    def start(self):
        subprocess.Popen(["sh", "-c", "trap '' TERM; sleep {mark}; sleep {mark}"])
    def cmd_hold(self):
        print("holds")
        ctypes.PyDLL(None).sleep(60)
"""


@pytest.mark.parametrize("how", ["leaves a child", "holds the interpreter", "is stopped"])
def test_a_killed_manager_leaves_no_host_that_cannot_end_itself(kept: Callable[..., Server], how: str) -> None:
    server = kept(STATES.partition("[services.backoff]")[0], held=HELD.format(mark=MARK))
    is_in(server, "held", "running")
    is_in(server, "running", "running")
    processes = [*server.children(), *sleepers()]
    with server.connect() as connection:
        if how == "holds the interpreter":
            connection.sendall(b"held hold\n")
            server.wait_for_log("held: holds")
        elif how == "is stopped":
            for host in server.children():
                os.kill(host, signal.SIGSTOP)
        server.process.kill()
        server.process.wait()
    deadline = time.monotonic() + GONE_SECONDS + 1  # a busy machine is slow
    while any(map(alive, processes)) or sleepers():
        assert time.monotonic() < deadline, subprocess.getoutput("ps -ef")
        time.sleep(0.02)


IMPORTS_FOR_EVER = "import os, time\nprint('importing in', os.getpid())\ntime.sleep(3600)\n"


def test_a_host_that_imports_for_ever_ends_with_its_manager(server: Server, services: Path) -> None:
    write_service(services, IMPORTS_FOR_EVER, "slow.py")
    with server.connect() as connection:
        connection.sendall(b"restart\n")
        host = int(server.wait_for_log(r"slow\.py: importing in (\d+)").group(1))
        server.process.kill()
        wait_for(lambda: not alive(host), "the host to end")


def test_a_host_that_imports_for_ever_holds_up_no_stop(server: Server, services: Path) -> None:
    write_service(services, IMPORTS_FOR_EVER, "slow.py")
    with server.connect() as connection:
        connection.sendall(b"restart\n")
        host = int(server.wait_for_log(r"slow\.py: importing in (\d+)").group(1))
        assert server.stop() == 0
    assert not alive(host)


def guards(server: Server) -> list[int]:
    ours = [process for process in shown() if process.parent == server.process.pid]
    return [process.pid for process in ours if process.command.startswith("/bin/sh")]


HOLDING_PROGRAM = """
import ctypes
from smanager import Program


class Holds(Program):
    program = ["sh", "-c", "setsid sleep {mark} & exec sleep {mark}"]
    def cmd_hold(self):
        print("holds")
        ctypes.PyDLL(None).sleep(60)
"""


@pytest.mark.parametrize("how", ["holds the interpreter", "with its hosts", "after its guard"])
def test_programs_do_not_outlive_a_manager_whose_hosts_cannot_end_them(kept: Callable[..., Server], how: str) -> None:
    daemon = f"(setsid sleep {MARK} </dev/null >/dev/null 2>&1 &); exec env -i sleep {MARK}"
    server = kept(f"[services.daemon]\nprogram = {['sh', '-c', daemon]}", holds=HOLDING_PROGRAM.format(mark=MARK))
    is_in(server, "holds", "running")
    wait_for(lambda: len(sleepers()) == 4, "the programs")
    hosts = server.children()
    with server.connect() as connection:
        if how == "after its guard":
            (guard,) = guards(server)
            os.kill(guard, signal.SIGKILL)
            wait_for(lambda: guards(server) not in ([], [guard]), "another guard")
        if how == "with its hosts":
            os.kill(server.process.pid, signal.SIGSTOP)  # so that it does not see its hosts die
            for host in hosts:
                os.kill(host, signal.SIGKILL)
        else:
            connection.sendall(b"holds hold\n")
            server.wait_for_log("holds: holds")
        server.process.kill()
        server.process.wait()
    deadline = time.monotonic() + GONE_SECONDS + 1  # a busy machine is slow
    while any(map(alive, hosts)) or sleepers():
        assert time.monotonic() < deadline, subprocess.getoutput("ps -ef")
        time.sleep(0.02)
