"""Nothing that a service has started outlives the service, its host or its manager, whatever it has made of itself."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.conftest import Server, is_in, wait_for
from tests.processes import shown

MARK = 20_000_000 + os.getpid()
"""What the processes here sleep for, by which those of this run are found; each test has a number of its own."""

DAEMON = """
import os, sys
if os.fork(): sys.exit()
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
null = os.open("/dev/null", os.O_RDWR)
for number in 0, 1, 2: os.dup2(null, number)
os.execve("/bin/sleep", ["sleep", sys.argv[1]], {})
"""
"""As daemon(3) does it, and with nothing left in the environment."""

WAYS = {
    "a group of its own": "bash -c 'set -m; sleep {0} & wait'",
    "timeout": "bash -c 'timeout 3600 sleep {0} & wait'",
    "a session of its own": "sh -c 'setsid sleep {0} & exec sleep 3600'",
    "nohup": "sh -c 'nohup sleep {0} >/dev/null 2>&1 & exec sleep 3600'",
    "ignores SIGTERM": """sh -c '(trap "" TERM; setsid sleep {0}) & exec sleep 3600'""",
    "stopped": "sh -c 'setsid sleep {0} & sleep 0.3; kill -STOP $!; exec sleep 3600'",
    "an empty environment": "sh -c '(env -i setsid sleep {0} &); exec sleep 3600'",
    "no standard streams": "sh -c '(setsid sleep {0} </dev/null >/dev/null 2>&1 &); exec sleep 3600'",
    "a daemon": "sh -c 'python3 daemon.py {0}; exec sleep 3600'",
    "its parent's parent": "sh -c '(setsid sh -c \"setsid sleep {0} & sleep 3600\" &); exec sleep 3600'",
}
"""How a program that goes on leaves a `sleep` behind."""


def sleeping(number: int) -> list[int]:
    """The processes that sleep for so many seconds."""
    return all_sleeping([number])[number]


def all_sleeping(numbers: Iterable[int]) -> dict[int, list[int]]:
    """The processes that sleep for each of these numbers of seconds, in one look."""
    processes = list(shown())
    return {number: [one.pid for one in processes if one.command == f"sleep {number}"] for number in numbers}


@pytest.fixture(scope="module")
def numbers() -> dict[str, int]:
    """What the processes of the shared manager sleep for, by how they were left."""
    return {way: MARK + index * 1_000_000 for index, way in enumerate(WAYS)}


def configuration(numbers: dict[str, int]) -> str:
    """A program for each way, by the name of its number."""
    table = "[services.way-{}]\nprogram = {}\nstop_timeout = 0.5\n"
    commands = {number: shlex.split(WAYS[way].format(number)) for way, number in numbers.items()}
    return "".join(table.format(number, command) for number, command in commands.items())


@pytest.fixture(scope="module")
def leaving(shared: Callable[..., Server], numbers: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A manager whose programs each leave a process behind in their own way."""
    files = tmp_path_factory.mktemp("files")
    (files / "daemon.py").write_text(DAEMON)
    return shared(configuration(numbers), files=files)


@pytest.mark.parametrize("way", WAYS)
def test_a_stop_and_a_restart_leave_nothing(leaving: Server, numbers: dict[str, int], way: str) -> None:
    number = numbers[way]
    name = f"way-{number}"
    is_in(leaving, name, "running")
    wait_for(lambda: len(sleeping(number)) == 1, "the process that is to be left")
    (before,) = sleeping(number)
    assert leaving.ask(f"restart {name}").startswith(f"{name}: running")
    wait_for(lambda: sleeping(number) not in ([], [before]), "the process of the next life")
    assert len(sleeping(number)) == 1
    assert leaving.ask(f"stop {name}").startswith(f"{name}: stopped")
    assert not sleeping(number)
    assert leaving.ask(f"start {name}").startswith(f"{name}: running")


@pytest.fixture
def left(kept: Callable[..., Server], directory: Path) -> tuple[Server, list[int]]:
    """A manager whose programs have each left a process behind, and what those sleep for."""
    (directory / "daemon.py").write_text(DAEMON)
    ways = {way: MARK + 500_000 + index * 1_000_000 for index, way in enumerate(WAYS)}
    numbers = list(ways.values())
    server = kept(configuration(ways))
    wait_for(lambda: all(len(pids) == 1 for pids in all_sleeping(numbers).values()), "what the programs leave")
    return server, numbers


def test_the_managers_end_leaves_nothing(left: tuple[Server, list[int]]) -> None:
    server, numbers = left
    assert server.stop() == 0
    assert not any(all_sleeping(numbers).values())


def test_a_killed_host_leaves_no_second_copy(left: tuple[Server, list[int]]) -> None:
    server, numbers = left
    before = all_sleeping(numbers)
    os.kill(server.children()[0], signal.SIGKILL)
    wait_for(
        lambda: all(pids not in ([], before[number]) for number, pids in all_sleeping(numbers).items()),
        "the next lives",
    )
    assert [len(pids) for pids in all_sleeping(numbers).values()] == [1] * len(numbers)


CHILDREN = """
import subprocess, threading
from smanager import SService


class Leaves(SService):
    def start(self):
        self.leave({mark} + 900_000)
    def leave(self, number):
        subprocess.Popen(["sh", "-c", f"(setsid sleep {{number}} </dev/null >/dev/null 2>&1 &)"], env={{}})
    def cmd_leave(self, number: int):
        self.leave(number)


class Neighbour(Leaves):
    def start(self):
        self.leave({mark} + 800_000)
"""


def test_what_a_service_has_left_ends_with_it_though_its_host_goes_on(reloaded: Callable[..., Server]) -> None:
    server = reloaded(children=CHILDREN.format(mark=MARK))
    is_in(server, "leaves", "running")
    is_in(server, "neighbour", "running")
    server.ask(f"leaves leave {MARK + 700_000}")
    mine, others = [MARK + 900_000, MARK + 700_000], [MARK + 800_000]
    wait_for(lambda: all(len(sleeping(number)) == 1 for number in [*mine, *others]), "what they leave")
    assert server.ask("stop leaves").startswith("leaves: stopped")
    assert not [number for number in mine if sleeping(number)]
    assert all(map(sleeping, others))
    assert server.ask("stop neighbour").startswith("neighbour: stopped")
    assert not any(map(sleeping, others))


def test_a_program_that_makes_itself_a_daemon_is_told_and_runs_once(reloaded: Callable[..., Server]) -> None:
    Path("daemon.py").write_text(DAEMON)
    number = MARK + 600_000
    server = reloaded(
        f'[services.daemon]\nprogram = ["python3", "daemon.py", "{number}"]\n'
        "[services.brief]\nprogram = ['sh', '-c', 'sleep 0.1']\nrestart = 'on-failure'\n"
        "ready_when = { command = ['sleep', '3'], interval = 0.01 }\n"
    )
    for _ in range(2):
        server.wait_for_log(
            r"daemon: exit status 0, but it went on in the background, and was ended there: sleep \(\d+\);"
        )
        assert len(sleeping(number)) <= 1
        server.forget_log()
    page = server.ask("why daemon")
    assert "run it in the foreground, for which many programs have an option such as " in page
    server.ask("stop daemon")
    assert not sleeping(number)
    is_in(server, "brief", "done")
    assert "background" not in server.ask("why brief")  # what it left was its probe
