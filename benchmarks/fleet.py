"""Measures a fleet of simulated boxes: `python3 benchmarks/fleet.py` prints a table, in about three minutes.

Beside it, in turns, NATS alone asks the same boxes and gets the same bytes; and ssh asks 50 sessions of this machine.
It needs the package nats-py, and the programs nats-server, ssh and sshd.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script's path has only its own directory

from benchmarks import procfs, report, servers
from benchmarks.boxes import PAYLOAD, PLAIN, STATUS, USER, name_of
from benchmarks.report import SMANAGER, Figures, Row, Target
from benchmarks.servers import BenchmarkError, Server, ask, free_port, running
from smanager.fleet.client import FleetClient
from smanager.fleet.hub import HubAccess
from smanager.fleet.subjects import to_all
from smanager.fleet.user import HubUser
from smanager.system.descriptors import open_standard_descriptors

NATS, SSH, WITHOUT = "NATS alone", "ssh", "without [fleet]"

ROUNDS = 7
BOXES_A_PROCESS = 500
SESSIONS = 50
START_SECONDS = 120.0  # for thousands of boxes to connect
ANSWER_SECONDS = 30.0
QUESTIONS = 200  # of a round; the second highest wait of 200 is their 99th percentile
IDLE_SECONDS = 15.0  # of the manager whose hub is dead, in which its service tries several times

BOXES = str(Path(__file__).resolve().parent / "boxes.py")


class SimulatedFleet(NamedTuple):
    """Hubs that run, and processes of boxes."""

    servers: list[str]
    hubs: list[int]
    boxes: list[int]
    names: list[str]


@contextlib.contextmanager
def fleet(count: int, hubs: int) -> Iterator[SimulatedFleet]:
    """So many boxes, at a cluster of so many servers."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-"))
        cluster = f"127.0.0.1:{free_port()}"
        addresses, pids = [], []
        for number in range(hubs):
            port = free_port()
            listen = cluster if number == 0 else f"127.0.0.1:{free_port()}"
            routes = f'cluster {{ name: bench, listen: "{listen}", routes: ["nats://{cluster}"] }}' if hubs > 1 else ""
            settings = Path(directory) / f"{number}.conf"
            settings.write_text(f'listen: "127.0.0.1:{port}"\nserver_name: hub{number}\n{routes}\n')
            pids.append(stack.enter_context(process([nats_server(), "-c", str(settings)])).pid)
            servers.await_listening(("127.0.0.1", port))
            addresses.append(f"nats://127.0.0.1:{port}")
        simulated = []
        for first in range(0, count, BOXES_A_PROCESS):
            some = [str(first), str(min(BOXES_A_PROCESS, count - first)), *addresses]
            simulated.append(stack.enter_context(process([sys.executable, BOXES, *some])))
        for one in simulated:
            assert one.stdout
            if one.stdout.readline() != b"ready\n":
                raise BenchmarkError("the simulated boxes do not connect")
        yield SimulatedFleet(addresses, pids, [one.pid for one in simulated], list(map(name_of, range(count))))


@contextlib.contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as one:
        try:
            yield one
        finally:
            servers.stop(one)


def nats_server() -> str:
    """Raises BenchmarkError."""
    beside = str(Path(sys.executable).parent)
    if found := shutil.which("nats-server") or shutil.which("nats-server", path=beside):
        return found
    raise BenchmarkError("there is no nats-server")


class Cost(NamedTuple):
    """What one question to all boxes has taken."""

    seconds: float  # until the last answer
    ended: float  # seconds until the question is over
    cpu: float  # seconds of this process


async def ask_fleet(client: FleetClient, names: Sequence[str]) -> Cost:
    began, cpu = time.perf_counter(), time.process_time()
    answered = 0
    seconds = 0.0
    async with client.ask("status", [], names, to_all(USER)) as asking:
        while heard := await asking.some():
            answered += sum(one.value == STATUS for one in heard)
            if answered == len(names) and not seconds:
                seconds = time.perf_counter() - began
    if answered != len(names):
        raise BenchmarkError(f"{answered} of {len(names)} boxes have answered")
    return Cost(seconds, time.perf_counter() - began, time.process_time() - cpu)


async def ask_plainly(server: str, count: int) -> list[float]:
    """How long it takes NATS to ask all boxes, and the CPU."""
    import nats

    client = await nats.connect(server)
    answered, all_are_there = 0, asyncio.Event()

    async def hear(message: object) -> None:
        nonlocal answered
        answered += 1
        if answered == count:
            all_are_there.set()

    inbox = client.new_inbox()
    await client.subscribe(inbox, cb=hear, pending_msgs_limit=0, pending_bytes_limit=0)
    await client.flush()
    began, cpu = time.perf_counter(), time.process_time()
    await client.publish(PLAIN, b"status", inbox)
    async with asyncio.timeout(ANSWER_SECONDS):
        await all_are_there.wait()
    cost = [time.perf_counter() - began, time.process_time() - cpu]
    await client.close()
    return cost


def scale(count: int, hubs: int) -> list[Row]:
    """`status` of all boxes, beside NATS alone."""
    waits: Figures = {SMANAGER: [], NATS: []}
    calls: Figures = {SMANAGER: []}
    own: Figures = {SMANAGER: [], NATS: []}
    hub: Figures = {SMANAGER: [], NATS: []}
    boxes: Figures = {SMANAGER: [], NATS: []}

    async def rounds(simulated: SimulatedFleet) -> None:
        known = tempfile.TemporaryDirectory(prefix="benchmark-")
        user = HubUser(USER, HubAccess((simulated.servers[0],)))
        with known as directory:
            async with FleetClient(user, Path(directory)) as client:
                await ask_fleet(client, simulated.names)
                await ask_plainly(simulated.servers[0], count)
                for _ in range(ROUNDS):
                    before = [procfs.cpu_seconds(pids) for pids in (simulated.hubs, simulated.boxes)]
                    cost = await ask_fleet(client, simulated.names)
                    between = [procfs.cpu_seconds(pids) for pids in (simulated.hubs, simulated.boxes)]
                    seconds, cpu = await ask_plainly(simulated.servers[0], count)
                    after = [procfs.cpu_seconds(pids) for pids in (simulated.hubs, simulated.boxes)]
                    waits[SMANAGER].append(cost.seconds)
                    waits[NATS].append(seconds)
                    calls[SMANAGER].append(cost.ended)
                    own[SMANAGER].append(cost.cpu * 1e6 / count)
                    own[NATS].append(cpu * 1e6 / count)
                    for figures, place in ((hub, 0), (boxes, 1)):
                        figures[SMANAGER].append((between[place] - before[place]) * 1e6 / count)
                        figures[NATS].append((after[place] - between[place]) * 1e6 / count)

    with fleet(count, hubs) as simulated:
        asyncio.run(rounds(simulated))
        hub_memory = sum(map(procfs.resident_bytes, simulated.hubs)) / 1e6
        box_memory = sum(map(procfs.resident_bytes, simulated.boxes)) / count / 1e3
        own_memory = procfs.resident_bytes(os.getpid()) / 1e6
    targets = (Target("≤", 1), Target("≤", 2, NATS)) if count == 1000 else (Target("≤", 2, NATS),)
    where = "a hub" if hubs == 1 else f"a cluster of {hubs} hubs"
    return [
        Row(f"`status` of {count} boxes at {where}, until the last answer, s", waits, *targets),
        Row("– until it is known that no more come, s", calls),
        Row("– CPU of the asker, µs a box", own),
        Row("– CPU of the hub, µs a box", hub),
        Row("– CPU of the simulated boxes, µs a box", boxes),
        Row("– memory of the hub, MB", {SMANAGER: [hub_memory]}),
        Row("– memory of the asker, MB", {SMANAGER: [own_memory]}),
        Row("– memory of a simulated box, kB", {SMANAGER: [box_memory]}),
    ]


def thousand() -> list[Row]:
    return scale(1000, 1)


def ten_thousand() -> list[Row]:
    return scale(10_000, 3)


def sessions() -> list[Row]:
    """The same answer of 50 boxes by ssh, which logs in each time."""
    waits: Figures = {SMANAGER: [], SSH: []}

    async def rounds(simulated: SimulatedFleet, command: list[str]) -> None:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
            for _ in range(ROUNDS):
                began = time.perf_counter()
                async with FleetClient(HubUser(USER, HubAccess((simulated.servers[0],))), Path(directory)) as client:
                    cost = await ask_fleet(client, simulated.names)
                waits[SMANAGER].append(time.perf_counter() - began - (cost.ended - cost.seconds))
                began = time.perf_counter()
                asked = [
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for _ in range(SESSIONS)
                ]
                if any(json.loads(one.communicate(timeout=ANSWER_SECONDS)[0]) != STATUS for one in asked):
                    raise BenchmarkError("ssh does not answer")
                waits[SSH].append(time.perf_counter() - began)

    with fleet(SESSIONS, 1) as simulated, sshd() as command:
        asyncio.run(rounds(simulated, command))
    return [Row(f"`status` of {SESSIONS} boxes, with the login, until the last answer, s", waits)]


@contextlib.contextmanager
def sshd() -> Iterator[list[str]]:
    """A server for ssh; yields what asks it once. Raises BenchmarkError if there is none."""
    if not (program := shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")) or not shutil.which("ssh"):
        raise BenchmarkError("there is no ssh and sshd")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory, port = Path(name), free_port()
        for key in ("host", "user"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / key)]
            subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
        (directory / "status").write_bytes(PAYLOAD)
        settings = {
            "ListenAddress": f"127.0.0.1:{port}",
            "HostKey": directory / "host",
            "AuthorizedKeysFile": directory / "user.pub",
            "StrictModes": "no",
            "PidFile": "none",
            "MaxStartups": 2 * SESSIONS,
            "SetEnv": "SHLVL=1",  # with which bash does not run what its user has in ~/.bashrc
        }
        (directory / "conf").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
        }
        given = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        login = f"{getpass.getuser()}@127.0.0.1"
        with process([program, "-D", "-f", str(directory / "conf")]):
            servers.await_listening(("127.0.0.1", port))
            yield [
                "ssh",
                "-F",
                "none",
                *given,
                "-i",
                str(directory / "user"),
                "-p",
                str(port),
                login,
                f"cat {directory}/status",
            ]


@contextlib.contextmanager
def box(server: str = "") -> Iterator[Server]:
    """A manager, in a fleet if a server is given."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        file = Path(directory) / "smanager.toml"
        file.write_text(f'[fleet]\nservers = ["{server}"]\nroles = {{ {USER} = ["view"] }}\n' if server else "")
        with running([*servers.SMANAGER, "--config", str(file), "--state-dir", f"{directory}/state"]) as manager:
            yield manager


def host_of(manager: Server) -> int:
    """The process id of the fleet's host."""
    [status] = json.loads(ask(manager.address, b"status fleet --json\n"))
    return int(status["pid"])


def node() -> list[Row]:
    """The memory of the fleet's host of a real box."""
    with fleet(1, 1) as simulated, box(simulated.servers[0]) as manager:
        deadline = time.monotonic() + START_SECONDS
        while b"connected to 127" not in ask(manager.address, b"fleet show\n") and time.monotonic() < deadline:
            time.sleep(0.1)
        procfs.lasting_family(manager.pid)
        memory = procfs.proportional_bytes(host_of(manager)) / 1e6
    return [Row("memory of the fleet's host of a real box, connected, MB", {SMANAGER: [memory]})]


def dead_hub() -> list[Row]:
    """A manager whose hub is dead, beside one that is in no fleet."""
    waits: Figures = {SMANAGER: [], WITHOUT: []}
    with socket.socket() as closed, box() as alone:
        closed.bind(("127.0.0.1", 0))
        with box(f"nats://127.0.0.1:{closed.getsockname()[1]}") as member:
            managers = {SMANAGER: member, WITHOUT: alone}
            for one in managers.values():
                procfs.lasting_family(one.pid)
            for _ in range(ROUNDS):
                for name, one in managers.items():
                    waits[name].append(percentile(one))
            before = {name: procfs.cpu_seconds(procfs.family(one.pid)) for name, one in managers.items()}
            time.sleep(IDLE_SECONDS)
            spent: Figures = {
                name: [(procfs.cpu_seconds(procfs.family(one.pid)) - before[name]) * 100 / IDLE_SECONDS]
                for name, one in managers.items()
            }
            memory: Figures = {name: [procfs.proportional_bytes(one.pid) / 1e6] for name, one in managers.items()}
            host = procfs.proportional_bytes(host_of(member)) / 1e6
    return [
        Row("99th percentile of the wait for `status`, with a dead hub, ms", waits, Target("≤", 1.5, WITHOUT)),
        Row("– CPU of all processes when idle, % of one core", spent),
        Row("– memory of the manager, MB", memory, Target("≤", 1.1, WITHOUT)),
        Row("– memory of the fleet's host, MB", {SMANAGER: [host]}),
    ]


def percentile(manager: Server) -> float:
    waits = []
    with socket.create_connection(manager.address) as connection, connection.makefile("rb") as answers:
        for _ in range(QUESTIONS):
            began = time.perf_counter()
            connection.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "status"}\n')
            answers.readline()
            waits.append((time.perf_counter() - began) * 1000)
            time.sleep(0.005)
    return sorted(waits)[-2]


def main() -> int:
    open_standard_descriptors()
    return report.print_table((thousand, ten_thousand, sessions, node, dead_hub), (SMANAGER, NATS, SSH, WITHOUT))


if __name__ == "__main__":
    sys.exit(main())
