"""Measures SManager's supervision beside supervisord: `python3 benchmarks/supervision.py` prints a table.

The first run installs supervisord 4.3.0 from PyPI into a separate environment. Both supervisors keep the same programs
up, in turns, on this machine. Linux only, because of /proc.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script's path has only its own directory

from benchmarks import procfs, report
from benchmarks.report import SMANAGER, Row, Target
from benchmarks.servers import Address, BenchmarkError, ask
from benchmarks.supervisors import REPORT, Programs, Reports, smanager, supervising, supervisord, workplace
from smanager.system.descriptors import open_standard_descriptors

SUPERVISORD = "supervisord"
KILLS = 40
MANY = 200
IDLE_SECONDS = 10.0
STOPS = 10
QUESTIONS = 300
MILLISECONDS = 1000
MEGABYTE = 1e6

PING = """
import os
from smanager import SService


class Bench(SService):
    def cmd_ping(self): return "pong"
    def cmd_pid(self): return os.getpid()
"""

FLOOD = (
    PING
    + """

class Flood(SService):
    def run(self):
        while not self.stopped:
            print("x" * 100)
    stopped = False
    def stop(self): self.stopped = True
"""
)

Maker = Callable[[Path, Programs], list[str]]
MAKERS: dict[str, Maker] = {SMANAGER: smanager, SUPERVISORD: supervisord}


def percentile(figures: list[float], share: float = 0.99) -> float:
    return sorted(figures)[min(len(figures) - 1, int(len(figures) * share))]


def restarts() -> list[Row]:
    """From `kill -9` of a program until its replacement reports that it runs."""
    waits: dict[str, list[float]] = {}
    for name, make in MAKERS.items():
        with workplace() as directory:
            reports = Reports(directory)
            command = make(directory, {"kept": ["sh", "-c", REPORT.format(fifo=reports.path)]})
            with supervising(command, directory):
                (pid, _), *_ = reports.read()
                waits[name] = []
                for _ in range(KILLS):
                    # Longer than `stable_after`, so that the life counts as stable.
                    time.sleep(random.uniform(0.3, 0.6))
                    killed = time.perf_counter()
                    os.kill(pid, signal.SIGKILL)
                    ((pid, came),) = reports.read()
                    waits[name].append((came - killed) * MILLISECONDS)
            reports.close()
    worst = {name: [percentile(figures)] for name, figures in waits.items()}
    return [
        Row("`kill -9` of a program until its replacement runs, ms", waits, Target("≤", 1.0, SUPERVISORD)),
        Row("– its 99th percentile, ms", worst, Target("≤", 50)),
    ]


def host_restarts() -> list[Row]:
    """From `kill -9` of a services file's host until its first command is answered."""
    waits = []
    with workplace() as directory:
        command = smanager(directory, {}, PING.replace("SService):", "SService):\n    stable_after = 0.2", 1))
        with supervising(command, directory):
            address = address_in(directory)
            for _ in range(KILLS):
                time.sleep(random.uniform(0.3, 0.6))
                host = int(ask(address, b"bench pid\n"))
                killed = time.perf_counter()
                os.kill(host, signal.SIGKILL)
                while (answer := ask(address, b"bench ping\n")) != b"pong\n" or not answer:
                    time.sleep(0.001)
                waits.append((time.perf_counter() - killed) * MILLISECONDS)
    return [
        Row("`kill -9` of a services file's host until its command is answered, ms", {SMANAGER: waits}),
        Row("– its 99th percentile, ms", {SMANAGER: [percentile(waits)]}, Target("≤", 250)),
    ]


def many_programs() -> list[Row]:
    """Many programs: the time until all run, the memory that they cost, and the CPU used when idle."""
    times: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    idle: dict[str, list[float]] = {}
    for name, make in MAKERS.items():
        times[name] = []
        for _ in range(3):
            with workplace() as directory:
                reports = Reports(directory)
                program = ["sh", "-c", REPORT.format(fifo=reports.path)]
                command = make(directory, {f"program-{number}": program for number in range(MANY)})
                began = time.perf_counter()
                with supervising(command, directory) as process:
                    arrivals: list[tuple[int, float]] = []
                    while len(arrivals) < MANY:
                        arrivals += reports.read()
                    times[name].append((arrivals[-1][1] - began) * MILLISECONDS)
                    if len(times[name]) == 3:
                        time.sleep(2)  # until startup is complete
                        programs = {pid for pid, _ in arrivals}
                        own = [pid for pid in procfs.lasting_family(process.pid) if pid not in programs]
                        memory[name] = [procfs.footprint_bytes(own) / MEGABYTE]
                        used = procfs.cpu_seconds(own)
                        time.sleep(IDLE_SECONDS)
                        idle[name] = [100 * (procfs.cpu_seconds(own) - used) / IDLE_SECONDS]
                reports.close()
    return [
        Row(f"exec until {MANY} programs run, ms", times, Target("≤", 1.0, SUPERVISORD)),
        Row("– memory of its own processes, shared memory counted once, MB", memory, Target("≤", 1.2, SUPERVISORD)),
        Row(f"– CPU when idle for {IDLE_SECONDS:g} s, %", idle, Target("≤", 0.5)),
    ]


def stops() -> list[Row]:
    """From SIGTERM to the supervisor's exit."""
    quick: dict[str, list[float]] = {}
    slow: dict[str, list[float]] = {}
    slow_stop = "trap 'sleep 2; exit 0' TERM; echo $$ > {fifo}; while :; do sleep 0.1; done"
    for name, make in MAKERS.items():
        quick[name] = [stop_time(make, REPORT, 1) for _ in range(STOPS)]
        slow[name] = [stop_time(make, slow_stop, 5)]
    worst = {name: [percentile(figures)] for name, figures in quick.items()}
    return [
        Row("SIGTERM until the exit, with one program, ms", quick),
        Row("– its 99th percentile, ms", worst, Target("≤", 100)),
        Row("– with five that take 2 s each to stop, ms", slow, Target("≤", 3000)),
    ]


def stop_time(make: Maker, script: str, count: int) -> float:
    with workplace() as directory:
        reports = Reports(directory)
        program = ["sh", "-c", script.format(fifo=reports.path)]
        command = make(directory, {f"program-{number}": program for number in range(count)})
        with supervising(command, directory) as process:
            arrivals: list[tuple[int, float]] = []
            while len(arrivals) < count:
                arrivals += reports.read()
            time.sleep(0.5)  # until the supervisor has noticed too
            began = time.perf_counter()
            process.terminate()
            process.wait()
            reports.close()
            return (time.perf_counter() - began) * MILLISECONDS


def status_under_flood() -> list[Row]:
    """The time that `status` takes while a service prints as fast as it can."""
    waits = []
    with workplace() as directory, supervising(smanager(directory, {}, FLOOD), directory):
        address = address_in(directory)
        time.sleep(1)
        for _ in range(QUESTIONS):
            began = time.perf_counter()
            if b"flood" not in ask(address, b"status\n"):
                raise BenchmarkError("`status` did not answer")
            waits.append((time.perf_counter() - began) * MILLISECONDS)
    return [
        Row("`status` while a service floods its log, ms", {SMANAGER: waits}),
        Row("– its 99th percentile, ms", {SMANAGER: [percentile(waits)]}, Target("≤", 20)),
    ]


def address_in(directory: Path) -> Address:
    """The address of the manager that runs in a directory."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if address := re.search(r"^listening on ([\d.]+):(\d+)$", (directory / "log").read_text(), re.MULTILINE):
            return address[1], int(address[2])
        time.sleep(0.01)
    raise BenchmarkError("the manager did not start")


def main() -> int:
    open_standard_descriptors()
    return report.print_table(
        (restarts, host_restarts, many_programs, stops, status_under_flood), (SMANAGER, SUPERVISORD)
    )


if __name__ == "__main__":
    sys.exit(main())
