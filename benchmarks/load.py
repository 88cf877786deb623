"""The load generator: closed-loop clients in separate processes, so that they do not share an interpreter.

A client sends a request, waits for the whole reply, checks it, and sends again. It does as little as possible
between two system calls: the generator must cost less than the server that it measures.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import multiprocessing
import select
import signal
import socket
import time
from array import array
from typing import TYPE_CHECKING

from benchmarks.servers import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from benchmarks.servers import Address

WORKERS = 2  # one cannot keep an event loop busy while both share a core
LEAD = 0.4  # seconds of load before measuring: until all clients are connected and the server is warm
GRACE = 20.0  # seconds after measuring for the workers to hand in their figures
CONNECT_DEADLINE = 5.0  # seconds; a lost SYN is resent after one
CHUNK = 65536  # bytes per read: every reply measured here is shorter

clock = time.perf_counter  # on Linux one clock for all processes, so workers can share a begin and an end


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """What to ask which server: `clients` at once send `request` and expect `reply`, byte for byte."""

    address: Address
    request: bytes
    reply: bytes
    clients: int
    login: bytes = b""
    """What a client sends once, before its first request, without an answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Round:
    """The figures of one measurement: replies per second, and the 99th percentile of the wait for one, in seconds."""

    rate: float
    p99: float


class Client:
    """One connection, and the part of the expected reply that it has received."""

    __slots__ = ("received", "sent_at", "socket")

    def __init__(self, load: Load) -> None:
        self.sent_at = clock()
        self.socket = socket.socket()
        self.socket.settimeout(CONNECT_DEADLINE)
        self.socket.connect(load.address)
        self.socket.settimeout(None)  # from here on epoll waits
        self.socket.send(load.login + load.request)  # at once: the server may take a silent client for a person
        self.received = b""


def conversations(load: Load, begin: float, end: float) -> array[float]:
    """Clients that stay connected and repeat their request; return the seconds that each reply took."""
    latencies = array("d")
    clients = {}
    with select.epoll() as poller:
        for _ in range(load.clients):
            client = Client(load)
            clients[client.socket.fileno()] = client
            poller.register(client.socket, select.EPOLLIN)
        require_in_time(begin)
        while (now := clock()) < end:
            for descriptor, _ in poller.poll(end - now):
                client = clients[descriptor]
                chunk = client.socket.recv(CHUNK)
                client.received += chunk
                if client.received != load.reply:
                    require_part_of_reply(load, client, chunk)
                    continue
                now = clock()
                if begin <= now < end:
                    latencies.append(now - client.sent_at)
                client.received = b""
                client.sent_at = now
                client.socket.send(load.request)
    for client in clients.values():
        client.socket.close()
    return latencies


def one_shots(load: Load, begin: float, end: float) -> array[float]:
    """Clients like `echo … | nc -N`: connect, send, half-close, read to the end.

    Returns the seconds that each took, including connecting and closing.
    """
    latencies = array("d")
    clients = {}
    with select.epoll() as poller:

        def start_one() -> None:
            client = Client(load)
            client.socket.shutdown(socket.SHUT_WR)
            clients[client.socket.fileno()] = client
            poller.register(client.socket, select.EPOLLIN)

        for _ in range(load.clients):
            start_one()
        require_in_time(begin)
        while (now := clock()) < end:
            for descriptor, _ in poller.poll(end - now):
                client = clients[descriptor]
                chunk = client.socket.recv(CHUNK)
                client.received += chunk
                if chunk or client.received != load.reply:
                    require_part_of_reply(load, client, chunk)
                    continue
                client.socket.close()
                now = clock()
                if begin <= now < end:
                    latencies.append(now - client.sent_at)
                start_one()
    for client in clients.values():
        client.socket.close()
    return latencies


def require_in_time(begin: float) -> None:
    if clock() >= begin:
        raise BenchmarkError(f"the clients were not connected within {LEAD} s")


def require_part_of_reply(load: Load, client: Client, chunk: bytes) -> None:
    if not chunk:
        raise BenchmarkError(f"{load.request!r}: the connection ended after {client.received[:80]!r}")
    if not load.reply.startswith(client.received):
        raise BenchmarkError(f"{load.request!r}: expected {load.reply[:80]!r}, read {client.received[:80]!r}")


class Generator:
    """The worker processes, which it forks: create it before any thread starts."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ProcessPoolExecutor(
            WORKERS,
            multiprocessing.get_context("fork"),
            initializer=signal.signal,  # Ctrl-C concerns the process that prints the table
            initargs=(signal.SIGINT, signal.SIG_IGN),
        )
        self._pool.submit(int).result()  # the first task forks all workers

    def run(self, drive: Callable[[Load, float, float], array[float]], load: Load, seconds: float) -> Round:
        """Drive the load, by `conversations` or `one_shots`, for `seconds` from all workers; one client, from one.

        Raises BenchmarkError if a reply is not the expected one, or if none comes.
        """
        workers = min(WORKERS, load.clients)
        share = dataclasses.replace(load, clients=load.clients // workers)
        begin = clock() + LEAD
        tasks = [self._pool.submit(drive, share, begin, begin + seconds) for _ in range(workers)]
        done = [task.result(LEAD + seconds + GRACE) for task in tasks]
        latencies = sorted(itertools.chain(*done))
        if not latencies:
            raise BenchmarkError(f"{load.request!r}: no reply in {seconds} s on {load.clients} connections")
        return Round(rate=len(latencies) / seconds, p99=latencies[len(latencies) * 99 // 100])

    def __enter__(self) -> Generator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
