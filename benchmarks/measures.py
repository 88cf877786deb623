"""The measures, one function each: it starts the servers that it needs and returns rows of the table."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import shutil
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import procfs, servers
from benchmarks.load import Generator, Load, conversations, one_shots
from benchmarks.report import ASYNCIO, CMD, REDIS, SMANAGER, THREADS, Figures, Row, Target
from benchmarks.servers import BenchmarkError, Server, ask, running
from benchmarks.sessions import SILENCE, TELNET, IdleSessions

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

BUILT_IN = b"help -s\n"  # three short lines, made by the manager itself
SERVICE = b"bench ping\n"  # goes through the service's host and back
TRIVIAL = b"ping\n"  # what the references answer

SPARE_DESCRIPTORS = 100  # of this process, besides idle sessions: pipes, epoll, the interpreter's own
SPARE_SESSIONS = 1000  # of the manager, besides the idle ones, so that none of these is closed to make room
IDLE_SESSIONS = 100  # open while the manager should be idle: a timer in each would show
KILOBYTE = 1000

WAITS = "– its 99th percentile, ms"
CPU = "– CPU of the server, % of one core"


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: `rounds` of `seconds` for each server under load, idle `sessions`, program `starts`, and
    how long to watch the idle manager."""

    rounds: int
    seconds: float
    sessions: int
    starts: int
    idle_seconds: float


FULL = Plan(rounds=5, seconds=2.0, sessions=5000, starts=15, idle_seconds=10.0)
QUICK = Plan(rounds=2, seconds=0.5, sessions=500, starts=3, idle_seconds=2.0)


def built_in_command(plan: Plan) -> list[Row]:
    return [
        *under_load(plan, "`help -s` on 1 connection, commands/s", conversations, 1, BUILT_IN),
        *under_load(plan, "`help -s` on 32 connections, commands/s", conversations, 32, BUILT_IN),
        *under_load(
            plan,
            "`help -s` on 256 connections, commands/s",
            conversations,
            256,
            BUILT_IN,
            [Target("≥", 2.0, THREADS), Target("≥", 0.85, CMD), Target("≥", 0.4, REDIS)],
            [Target("≤", 0.25, THREADS)],
        ),
    ]


def service_command(plan: Plan) -> list[Row]:
    return [
        *under_load(plan, "a service's command on 1 connection, commands/s", conversations, 1, SERVICE),
        *under_load(
            plan,
            "a service's command on 32 connections, commands/s",
            conversations,
            32,
            SERVICE,
            [Target("≥", 0.15, ASYNCIO)],
        ),
        *under_load(
            plan,
            "a service's command on 256 connections, commands/s",
            conversations,
            256,
            SERVICE,
            [Target("≥", 0.5, CMD)],
            [Target("≤", 0.45, THREADS)],
        ),
    ]


def scripts(plan: Plan) -> list[Row]:
    return under_load(
        plan,
        "`echo … \\| nc -N` from 16 clients, connections/s",
        one_shots,
        16,
        BUILT_IN,
        [Target("≥", 1.5, THREADS), Target("≥", 0.6, REDIS)],
    )


def under_load(
    plan: Plan,
    measure: str,
    drive: Callable[[Load, float, float], array[float]],
    clients: int,
    request: bytes,
    rate_targets: Sequence[Target] = (),
    wait_targets: Sequence[Target] = (),
) -> list[Row]:
    """Load SManager with this request and the references with their trivial one, in turns of one round each.

    The rows are the replies per second, the 99th percentile in ms, and the processes' CPU in percent of a core.
    Near 100 %, a single-threaded server was itself the limit, not the load generator.
    """
    rates, waits, cpu = Figures(), Figures(), Figures()
    with Generator() as generator, contextlib.ExitStack() as stack:
        contenders = [(SMANAGER, stack.enter_context(servers.smanager()), request)]
        contenders += [(name, stack.enter_context(start()), asked) for name, start, asked in references()]
        replies = {name: reply_of(server, asked) for name, server, asked in contenders}
        for _ in range(plan.rounds):
            for name, server, asked in contenders:
                load = Load(server.address, asked, replies[name], clients)
                processes = procfs.lasting_family(server.pid)
                began, used = time.perf_counter(), procfs.cpu_seconds(processes)
                done = generator.run(drive, load, plan.seconds)
                used, lasted = procfs.cpu_seconds(processes) - used, time.perf_counter() - began
                rates.setdefault(name, []).append(done.rate)
                waits.setdefault(name, []).append(done.p99 * 1000)
                cpu.setdefault(name, []).append(100 * used / lasted)
    return [Row(measure, rates, *rate_targets), Row(WAITS, waits, *wait_targets), Row(CPU, cpu)]


def references() -> Iterator[tuple[str, Callable[[], AbstractContextManager[Server]], bytes]]:
    """The servers beside SManager, and what each is asked; Redis only where it is installed."""
    yield ASYNCIO, partial(running, servers.ASYNCIO_ECHO), TRIVIAL
    yield CMD, partial(running, servers.ASYNCIO_CMD), TRIVIAL
    yield THREADS, partial(running, servers.THREAD_SERVER), TRIVIAL
    if shutil.which("redis-server"):
        yield REDIS, servers.redis, TRIVIAL


def reply_of(server: Server, request: bytes) -> bytes:
    """The server's reply to a request. Raises BenchmarkError if it is an error."""
    reply = ask(server.address, request)
    if not reply.endswith(b"\n") or reply.startswith(b"***"):
        raise BenchmarkError(f"the reply to {request!r} is {reply[:80]!r}")
    return reply


def memory(plan: Plan) -> list[Row]:
    """Memory per idle session, with a new manager for each kind: memory freed by one must not serve the other."""
    rows = []
    for kind, answer in (("in line mode", SILENCE), ("telnet", TELNET)):
        figures = {SMANAGER: [memory_per_session(plan.sessions, answer) / KILOBYTE]}
        rows.append(Row(f"memory per idle session, {kind}, of {plan.sessions:,}, kB", figures, Target("≤", 4)))
    return rows


def memory_per_session(count: int, answer: bytes) -> float:
    """The bytes by which the manager grows per session, over `count` sessions that answer its offer like this."""
    allow_descriptors(count + SPARE_DESCRIPTORS)
    most = str(count + SPARE_SESSIONS)
    with servers.smanager("--max-sessions", most) as server, IdleSessions(server.address, answer) as sessions:
        sessions.open(1)  # the first session also loads modules
        before = procfs.resident_bytes(server.pid)
        sessions.open(count)
        return (procfs.resident_bytes(server.pid) - before) / count


def allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchmarkError(f"the limit of open files is {hard:,}; should be at least {count:,} (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def startup(plan: Plan) -> list[Row]:
    bare = "`import asyncio`"
    milliseconds: Figures = {SMANAGER: [], bare: []}
    for _ in range(plan.starts):
        began = time.perf_counter()
        with servers.smanager() as server:
            reply_of(server, SERVICE)
            milliseconds[SMANAGER].append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import asyncio"], check=True)  # with a timeout, it would look seldom
        milliseconds[bare].append((time.perf_counter() - began) * 1000)
    usual = statistics.median(milliseconds[bare])
    measure = f"exec to first answered service command, ms ({bare}: {usual:.3g})"
    return [Row(measure, milliseconds, Target("≤", 2, bare))]


def idling(plan: Plan) -> list[Row]:
    with servers.smanager() as server, IdleSessions(server.address, TELNET) as sessions:
        reply_of(server, SERVICE)  # idle after work: the worker thread may still end, which costs one switch
        sessions.open(IDLE_SESSIONS)
        processes = procfs.lasting_family(server.pid)
        used, switched = procfs.cpu_seconds(processes), procfs.context_switches(processes)
        time.sleep(plan.idle_seconds)
        used = procfs.cpu_seconds(processes) - used
        switched = procfs.context_switches(processes) - switched
    return [
        Row(
            f"idle for {plan.idle_seconds:g} s with {IDLE_SESSIONS} telnet sessions: CPU of all its processes, %",
            {SMANAGER: [100 * used / plan.idle_seconds]},
            Target("≤", 0.1),
        ),
        Row("– context switches", {SMANAGER: [switched]}),
    ]


MEASURES = (built_in_command, service_command, scripts, memory, startup, idling)
