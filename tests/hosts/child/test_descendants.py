"""What programs leave is looked for once for all that end together."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from signal import SIGTERM

import pytest

from smanager.hosts.child.descendants import end_life
from smanager.system import lineage
from smanager.system.lineage import Look, Process


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Look]:
    """The looks that are made; each finds nothing."""
    made: list[Look] = []

    def look() -> Look:
        made.append(Look([]))
        return made[-1]

    monkeypatch.setattr(lineage, "look", look)
    monkeypatch.setattr(lineage, "HAS_PROC", True)
    return made


def test_programs_that_end_together_share_a_look_and_later_ones_do_not(looks: list[Look]) -> None:
    found: list[list[Process]] = []
    for number in (1, 2):
        ends = [end_life(mark, 2**30, SIGTERM, 0.0, found.append) for mark in (1, 2, 3)]
        for end in ends:
            next(end)
        for end in ends:
            with suppress(StopIteration):
                next(end)
                pytest.fail("nothing is left to wait for")
        assert len(looks) == number
    assert found == [[]] * 6


def test_without_descriptors_the_group_is_all_that_is_seen(looks: list[Look], monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> Look:
        raise OSError("too many open files")

    monkeypatch.setattr(lineage, "look", look)
    found: list[list[Process]] = []
    for _ in end_life(1, 2**30, SIGTERM, 0.0, found.append):
        pass
    assert found == [[]]


SPAWNS_AT_ONCE = """
import os, re, subprocess, sys, threading
from smanager.hosts.child import descendants
from smanager.hosts.child.channel import current_service
from smanager.system import lineage

descendants.mark_what_services_start()
HOST = lineage.of_host(lineage.new_manager(), 1)
SHOW = ["cat", "/proc/self/limits"]


def popen():
    return subprocess.run(SHOW, env={}, capture_output=True).stdout

def in_a_pipe(spawn):
    reader, writer = os.pipe()
    spawned = spawn(writer)
    os.close(writer)
    with open(reader, "rb") as output:
        text = output.read()
    os.waitpid(spawned, 0)
    return text

def fork(writer):
    if not (pid := os.fork()):
        os.dup2(writer, 1)
        os.execvpe("cat", SHOW, {})
    return pid

def posix_spawn(writer):
    return os.posix_spawnp("cat", SHOW, {}, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)])

def program(mark):
    with descendants.marked(mark):
        return popen()

def spawns(name, mark, way):
    current_service.set(name)
    ways = {"popen": popen, "program": lambda: program(mark), "fork": lambda: in_a_pipe(fork),
            "posix_spawn": lambda: in_a_pipe(posix_spawn)}
    for _ in range(100):
        if int(re.search(rb"realtime timeout +(\\d+)", ways[way]())[1]) != mark:
            print(f"a process that {way} has made bears another life's mark")

sys.setswitchinterval(1e-6)
threads = []
for number, way in enumerate(sys.argv[1:], 1):
    name, mark = f"service-{number}", lineage.of_life(HOST, number)
    descendants.begins(name, mark)
    threads.append(threading.Thread(target=spawns, args=(name, mark, way)))
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.skipif(not lineage.HAS_PROC, reason="the mark is read in /proc")
def test_services_that_spawn_at_once_each_mark_their_own() -> None:
    ways = ["popen", "popen", "fork", "posix_spawn", "program"]
    spawning = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SPAWNS_AT_ONCE, *ways], capture_output=True, text=True, timeout=60
    )
    assert (spawning.stdout, spawning.stderr) == ("", "")
