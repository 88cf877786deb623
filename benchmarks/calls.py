"""Measures how fast commands are called: `python3 benchmarks/calls.py` prints a table, in about a minute.

It compares calls over JSON-RPC with the same text command, and one caller's round trips with those of rpyc and of
supervisord's XML-RPC. The first run installs both from PyPI into a separate environment.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import timeit
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script's path has only its own directory

from benchmarks import procfs, report, servers
from benchmarks.load import Generator, Load, conversations
from benchmarks.report import SMANAGER, Figures, Row, Target
from benchmarks.servers import BenchmarkError, Server, ask, running
from benchmarks.supervisors import environment, supervising, workplace
from smanager.access.secrets import hash_token
from smanager.access.users import Token, User, UsersFile
from smanager.commands.arguments import bind
from smanager.commands.signatures import describe
from smanager.service import SService
from smanager.system.descriptors import open_standard_descriptors

TEXT, RPYC, SUPERVISORD, DIRECT = "text command", "rpyc", "supervisord", "JSON-RPC"
ANONYMOUS, WITHOUT_AUDIT = "anonymous", "without audit"
RPYC_PACKAGE = "rpyc==6.0.2"
ROUNDS = 5
SECONDS = 2.0
LINES = 100_000
MILLISECONDS = 1000

PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "calls.ping"}).encode() + b"\n"

RPYC_SERVER = """
import rpyc
from rpyc.utils.server import ThreadedServer
class Calls(rpyc.Service):
    def exposed_ping(self): return "pong"
server = ThreadedServer(Calls, hostname="127.0.0.1", port=0)
print(server.port, flush=True)
server.start()
"""

RPYC_CLIENT = """
import sys, time, rpyc
connection = rpyc.connect("127.0.0.1", int(sys.argv[1]))
ping, count, end = connection.root.ping, 0, time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    assert ping() == "pong"
    count += 1
print(count / float(sys.argv[2]))
"""

SUPERVISORD_CONFIGURATION = """
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
[inet_http_server]
port=127.0.0.1:{port}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


class Typed(SService):
    def cmd_typed(self, count: int, share: float, exact: bool) -> None: ...


def programs_and_people() -> list[Row]:
    """A call over JSON-RPC and the same command as a line."""
    requests = {SMANAGER: PING, TEXT: b"calls ping\n"}
    return [
        Row("a JSON-RPC call on 32 connections, calls/s", in_turns(requests, 32), Target("≥", 0.7, TEXT)),
        Row("a JSON-RPC call on 256 connections, calls/s", in_turns(requests, 256), Target("≥", 0.9, TEXT)),
    ]


def async_commands() -> list[Row]:
    """An `async` command, and the same command as a plain method."""
    requests = {SMANAGER: b"calls aping\n", TEXT: b"calls ping\n"}
    rates = in_turns(requests, 256)
    return [Row("an `async` command on 256 connections, calls/s", rates, Target("≥", 0.9, TEXT))]


def in_turns(requests: Mapping[str, bytes], clients: int) -> Figures:
    """The replies per second of one manager to each request, in turns of one round each."""
    rates: Figures = {name: [] for name in requests}
    with Generator() as generator, servers.smanager() as server:
        replies = {name: ask(server.address, request) for name, request in requests.items()}
        for _ in range(ROUNDS):
            for name, request in requests.items():
                load = Load(server.address, request, replies[name], clients)
                rates[name].append(generator.run(conversations, load, SECONDS).rate)
    return rates


def authenticated() -> list[Row]:
    """A command of a caller who has logged in, of an anonymous caller, and of one without an audit journal."""
    costs: dict[str, list[float]] = {SMANAGER: [], ANONYMOUS: [], WITHOUT_AUDIT: []}
    with workplace() as directory, Generator() as generator, contextlib.ExitStack() as stack:
        with UsersFile(directory / "users.json").changed() as users:
            users["bench"] = User("bench", ("operate",), token=Token(hash_token("smt_bench")))
        logins = {SMANAGER: b"auth smt_bench\n", ANONYMOUS: b"", WITHOUT_AUDIT: b""}
        loads = {}
        for name, login, audit in (
            (SMANAGER, "required", "on"),
            (ANONYMOUS, "none", "on"),
            (WITHOUT_AUDIT, "none", "off"),
        ):
            configuration = directory / f"{login}-{audit}.toml"
            configuration.write_text(
                f'users_file = "users.json"\naudit = "{audit}"\naudit_file = "{login}.jsonl"\n'
                f'[listeners.one]\ntcp = "127.0.0.1:0"\nlogin = "{login}"\n'
            )
            services = ["--config", str(configuration), *servers.SMANAGER[servers.SMANAGER.index("--services") :]]
            server = stack.enter_context(running([*servers.SMANAGER[:2], *services]))
            reply = ask(server.address, logins[name] + b"calls ping\n")
            loads[name] = Load(server.address, b"calls ping\n", reply, 32, logins[name])
        for _ in range(ROUNDS):
            for name, load in loads.items():
                costs[name].append(1e6 / generator.run(conversations, load, SECONDS).rate)
    return [Row("a command of a logged-in caller, on 32 connections, µs", costs, Target("≤", 1.2, ANONYMOUS))]


def round_trips() -> list[Row]:
    """One caller on one connection, who sends each request after the previous answer."""
    rates: Figures = {SMANAGER: [], TEXT: [], RPYC: [], SUPERVISORD: []}
    with servers.smanager() as server, rpyc() as rpyc_rate, xml_rpc() as state:
        for _ in range(ROUNDS):
            rates[SMANAGER].append(one_caller(server, PING))
            rates[TEXT].append(one_caller(server, b"calls ping\n"))
            rates[RPYC].append(rpyc_rate())
            rates[SUPERVISORD].append(per_second(state))
    return [
        Row("round trips of one caller (JSON-RPC; a line; rpyc; XML-RPC), calls/s", rates),
        Row("– as lines", {SMANAGER: rates[TEXT], RPYC: rates[RPYC]}, Target("≥", 1, RPYC)),
    ]


def one_caller(server: Server, request: bytes) -> float:
    """The round trips per second of a request whose answer is one line."""
    with socket.create_connection(server.address) as connection, connection.makefile("rb") as answers:

        def call() -> None:
            connection.sendall(request)
            answers.readline()

        return per_second(call)


def asking() -> list[Row]:
    """A service that calls another one, beside a program that calls it by JSON-RPC."""
    rates: Figures = {SMANAGER: [], DIRECT: []}
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "bench.ping"}).encode() + b"\n"
    with servers.smanager() as server:
        for _ in range(ROUNDS):
            rates[SMANAGER].append(float(ask(server.address, f"calls ask {SECONDS}\n".encode())))
            rates[DIRECT].append(one_caller(server, request))
    return [Row("a service's calls to another, one after the other, calls/s", rates, Target("≥", 0.4, DIRECT))]


def per_second(call: Callable[[], object]) -> float:
    count, end = 0, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        call()
        count += 1
    return count / SECONDS


@contextlib.contextmanager
def rpyc() -> Iterator[Callable[[], float]]:
    python = str(environment() / "bin" / "python3")
    if subprocess.run([python, "-c", "import rpyc"], capture_output=True, check=False).returncode:
        subprocess.run([python, "-m", "pip", "install", "-q", RPYC_PACKAGE], check=True)
    with subprocess.Popen([python, "-c", RPYC_SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        command = [python, "-c", RPYC_CLIENT, port, str(SECONDS)]
        try:
            yield lambda: float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        finally:
            process.terminate()


@contextlib.contextmanager
def xml_rpc() -> Iterator[Callable[[], object]]:
    port = servers.free_port()
    with workplace() as directory:
        (directory / "supervisord.conf").write_text(SUPERVISORD_CONFIGURATION.format(port=port))
        command = [str(environment() / "bin" / "supervisord"), "-c", "supervisord.conf"]
        with supervising(command, directory):
            proxy = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}/RPC2")
            deadline = time.monotonic() + servers.START_DEADLINE
            while True:
                try:
                    proxy.supervisor.getState()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise BenchmarkError("supervisord does not answer") from None
                    time.sleep(0.05)
            yield proxy.supervisor.getState


def streaming() -> list[Row]:
    """Many results of one command to one reader, and the growth in memory of the manager and its hosts."""
    rates, grown = [], []
    with servers.smanager() as server:
        ask(server.address, b"calls stream 1000\n")
        for _ in range(ROUNDS):
            processes = procfs.lasting_family(server.pid)
            before = sum(map(procfs.resident_bytes, processes))
            began, count = time.perf_counter(), 0
            with socket.create_connection(server.address) as connection:
                connection.sendall(f"calls stream {LINES}\n".encode())
                connection.shutdown(socket.SHUT_WR)
                while data := connection.recv(65536):
                    count += data.count(b"\n")
            if count != LINES:
                raise BenchmarkError(f"{count} of {LINES} lines arrived")
            rates.append(LINES / (time.perf_counter() - began))
            grown.append((sum(map(procfs.resident_bytes, processes)) - before) / 1e6)
    return [
        Row(f"{LINES:,} results of one command to one reader, lines/s", {SMANAGER: rates}, Target("≥", 50_000)),
        Row("– growth of all its processes, MB", {SMANAGER: grown}),
    ]


def cancelling() -> list[Row]:
    """From Ctrl-C on a plain command that prints nothing to the next telnet prompt."""
    waits = []
    with servers.smanager() as server, socket.create_connection(server.address) as connection:
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
        read_until(connection, b"\r\n>")
        for _ in range(20):
            connection.sendall(b"calls silent\r")
            while b"calls silent" not in ask(server.address, b"jobs\n"):
                time.sleep(0.01)
            began = time.perf_counter()
            connection.sendall(b"\x03")
            read_until(connection, b"\r\n>")
            waits.append((time.perf_counter() - began) * MILLISECONDS)
    return [Row("Ctrl-C on a silent plain command until the prompt, ms", {SMANAGER: waits}, Target("≤", 200))]


def read_until(connection: socket.socket, end: bytes) -> None:
    data = b""
    while not re.search(re.escape(end) + rb"(\x1b\[\??\w+)*$", data):
        data += connection.recv(65536)


def binding() -> list[Row]:
    """The time to check three typed arguments."""
    command = describe(Typed, "cmd_typed")
    timer = timeit.Timer(lambda: bind(command, "typed", "5 0.5 yes"))
    figures = [1e6 * seconds / 10_000 for seconds in timer.repeat(ROUNDS, 10_000)]
    return [Row("three typed arguments bound, µs", {SMANAGER: figures}, Target("≤", 30))]


def main() -> int:
    open_standard_descriptors()
    return report.print_table(
        (programs_and_people, async_commands, authenticated, round_trips, asking, streaming, cancelling, binding),
        (SMANAGER, TEXT, DIRECT, RPYC, SUPERVISORD, ANONYMOUS, WITHOUT_AUDIT),
    )


if __name__ == "__main__":
    sys.exit(main())
