"""Measures what the services that ship cost: `python3 benchmarks/shipped.py` prints a table, in about a minute.

One manager runs alone; the other has the web page with 50 open windows, metrics that are read each second, and ten
schedules that run each second. Both are asked for `status`, in turns.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script's path has only its own directory

from benchmarks import procfs, report, servers
from benchmarks.report import SMANAGER, Figures, Row, Target
from benchmarks.servers import BenchmarkError, Server, ask, running
from smanager.system.descriptors import open_standard_descriptors

ALONE, PYTHON = "without them", "idle Python"

WINDOWS = 50
SCHEDULES = 10
ROUNDS = 5
QUESTIONS = 200  # of a round; the second highest wait of 200 is their 99th percentile
SETTLE_SECONDS = 3.0  # until the schedules run, and the windows have had their first lists

CONFIGURATION = """
[web]
listen = "127.0.0.1:0"
[metrics]
listen = "127.0.0.1:0"
""" + "".join(f'[schedules.s{number}]\nrun = "bench ping"\nevery = "1s"\n' for number in range(SCHEDULES))

IDLE = "import sys, threading; print(flush=True); sys.stdin.read()"


@contextlib.contextmanager
def manager(configuration: str) -> Iterator[Server]:
    """A manager with this configuration, a state directory, and so the audit journal."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        file = Path(directory) / "smanager.toml"
        file.write_text(configuration)
        with running([*servers.SMANAGER, "--config", str(file), "--state-dir", f"{directory}/state"]) as server:
            yield server


def address_of(server: Server, service: str) -> tuple[str, int]:
    """Where a service serves, by its log. Raises BenchmarkError if it does not say so in time."""
    deadline = time.monotonic() + servers.START_DEADLINE
    while time.monotonic() < deadline:
        if found := re.search(rb"http://([\d.]+):(\d+)/", ask(server.address, f"logs {service}\n".encode())):
            return found[1].decode(), int(found[2])
        time.sleep(0.05)
    raise BenchmarkError(f"{service} does not say where it serves")


@contextlib.contextmanager
def busy() -> Iterator[Server]:
    """A manager whose services that ship have work, and who reads what they say."""
    with manager(CONFIGURATION) as server, contextlib.ExitStack() as stack:
        page, metrics = address_of(server, "webpage"), address_of(server, "metrics")
        is_over = threading.Event()
        for _ in range(WINDOWS):
            window = stack.enter_context(socket.create_connection(page))
            window.sendall(f"GET /live HTTP/1.1\r\nHost: {page[0]}:{page[1]}\r\n\r\n".encode())
            if b" 200 " not in (beginning := window.recv(4096)):
                raise BenchmarkError(f"a window is answered by {beginning[:40]!r}")
            threading.Thread(target=read_on, args=(window,), daemon=True).start()
        scraper = threading.Thread(target=scrape, args=(f"http://{metrics[0]}:{metrics[1]}/metrics", is_over))
        scraper.start()
        try:
            time.sleep(SETTLE_SECONDS)
            yield server
        finally:
            is_over.set()
            scraper.join()


def read_on(window: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while window.recv(65536):
            pass


def scrape(url: str, is_over: threading.Event) -> None:
    while not is_over.wait(1.0):
        with urllib.request.urlopen(url, timeout=servers.ANSWER_DEADLINE) as answer:
            answer.read()


def status() -> list[Row]:
    """The wait for `status` of one caller, who asks again and again."""
    waits: Figures = {SMANAGER: [], ALONE: []}
    with busy() as server, manager("") as alone:
        for _ in range(ROUNDS):
            waits[SMANAGER].append(percentile(server))
            waits[ALONE].append(percentile(alone))
    load = f"{WINDOWS} windows, {SCHEDULES} schedules and a scrape each second"
    return [Row(f"99th percentile of the wait for `status`, with {load}, ms", waits, Target("≤", 20))]


def percentile(server: Server) -> float:
    waits = []
    with socket.create_connection(server.address) as connection, connection.makefile("rb") as answers:
        for _ in range(QUESTIONS):
            began = time.perf_counter()
            connection.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "status"}\n')
            answers.readline()
            waits.append((time.perf_counter() - began) * 1000)
            time.sleep(0.01)  # so that a round has a scrape and all schedules in it
    return sorted(waits)[-2]


def memory() -> list[Row]:
    """The memory of the page's host, and of a Python that does nothing; what processes share is divided among them."""
    sizes: Figures = {SMANAGER: [], PYTHON: []}
    with busy() as server:
        procfs.lasting_family(server.pid)
        [page] = json.loads(ask(server.address, b"status webpage --json\n"))
        sizes[SMANAGER].append(procfs.proportional_bytes(page["pid"]) / 1e6)
        with subprocess.Popen([sys.executable, "-c", IDLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
            assert idle.stdout
            assert idle.stdin
            idle.stdout.readline()
            sizes[PYTHON].append(procfs.proportional_bytes(idle.pid) / 1e6)
            idle.stdin.close()
    return [Row(f"memory of the web page's host, with {WINDOWS} windows, MB", sizes)]


def main() -> int:
    open_standard_descriptors()
    return report.print_table((status, memory), (SMANAGER, ALONE, PYTHON))


if __name__ == "__main__":
    sys.exit(main())
