"""Runs the programs for the tests without starting Python: each run is a copy of one process that has imported them.

A start of `smanager.py` takes a quarter of a second of CPU time, nearly all of it for imports, one of `tshell.py` a
third of that, and the tests start hundreds. A copy runs the program from its first line. It differs in what only
exec(2) sets: `ps` shows the nursery's command line, and /proc/PID/environ has the nursery's variables, which is why a
test that has changed the environment gets no copy of a manager.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parents[1]
REQUEST_SIZE = 64 * 1024  # bytes of a request: a working directory, an environment, and a command line
REPORT_SIZE = 16
WAKE_SIZE = 4096


class Copy:
    """A process that the nursery has made, with the methods that `subprocess.Popen` has."""

    def __init__(self, command: Sequence[str], reports: socket.socket, stderr: TextIOWrapper | None) -> None:
        self.args, self.stderr = command, stderr
        self.returncode: int | None = None
        self._reports = reports
        self.pid = int(reports.recv(REPORT_SIZE))

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._reports.settimeout(timeout)
            try:
                self.returncode = int(self._reports.recv(REPORT_SIZE))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._reports.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The tests' side: starts the process when the first copy is needed, and asks it for copies."""

    def __init__(self) -> None:
        self._environment = environment()
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def suits(self) -> bool:
        """Whether a process that this one started now would have the variables that a copy has."""
        return environment() == self._environment

    def start(self, command: Sequence[str], directory: Path) -> Copy:
        """Start a program, whose path and arguments are `command`, with a pipe for what it says on stderr."""
        reading, writing = os.pipe()
        with Path(os.devnull).open() as null, os.fdopen(writing, "w") as errors:
            reports = self._ask(command, directory, self._environment, null.fileno(), 1, errors.fileno())
        return Copy(command, reports, os.fdopen(reading, errors="replace"))

    def start_on(self, terminal: int, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Copy:
        """Start a program on a terminal, which controls it."""
        return Copy(command, self._ask(command, directory, environment, terminal, terminal, terminal), None)

    def run(
        self, command: Sequence[str], directory: Path, given: bytes, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, as `subprocess.run` does, on the bytes `given`."""
        (stdin, to_it), (output, stdout), (errors, stderr) = os.pipe(), os.pipe(), os.pipe()
        reports = self._ask(command, directory, environment, stdin, stdout, stderr)
        for theirs in (stdin, stdout, stderr):
            os.close(theirs)
        copy = Copy(command, reports, None)
        with ThreadPoolExecutor() as threads:
            threads.submit(write_and_close, to_it, given)
            results = [threads.submit(read_and_close, one) for one in (output, errors)]
            try:
                status = copy.wait(seconds)
            except subprocess.TimeoutExpired:
                copy.kill()
                raise
            return subprocess.CompletedProcess(command, status, *(result.result() for result in results))

    def _ask(
        self, command: Sequence[str], directory: Path, environment: Mapping[str, str], *streams: int
    ) -> socket.socket:
        """Ask for a copy with these standard streams; returns the socket of its reports."""
        with self._starting:
            if not self._process:
                program = [sys.executable, "-m", "tests.nursery", str(self._theirs.fileno())]
                self._process = subprocess.Popen(program, pass_fds=[self._theirs.fileno()], cwd=ROOT)
                self._theirs.close()
        reports, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            request = json.dumps([str(directory), dict(environment), *command]).encode()
            socket.send_fds(self._control, [request], [*streams, theirs.fileno()])
        return reports

    def close(self) -> None:
        self._control.close()
        self._theirs.close()
        if self._process:
            self._process.wait()


def write_and_close(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file, suppress(BrokenPipeError):  # the program need not read it
        file.write(data)


def read_and_close(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def environment() -> Mapping[str, str]:
    """This process's environment, without what pytest changes for each test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def serve(control: socket.socket) -> None:
    """Make copies until the tests are over; returns in each copy, which is to run the program in `sys.argv`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, and for the copies
    gc.freeze()  # no collection in a copy need touch what is here, so it stays shared
    reports: dict[int, socket.socket] = {}
    endings, noted = socket.socketpair()
    noted.setblocking(False)
    signal.set_wakeup_fd(noted.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only what is caught is noted
    while True:
        ready, _, _ = select.select([control, endings], [], [])
        if endings in ready:
            endings.recv(WAKE_SIZE)
            tell_ends(reports)
        if control not in ready:
            continue
        request, descriptors, _, _ = socket.recv_fds(control, REQUEST_SIZE, 4)
        if not request:
            sys.exit()
        *streams, report = descriptors
        pid = os.fork()
        if not pid:
            for ours in (control, endings, noted, *reports.values()):
                ours.close()
            become_copy(*streams)
            directory, variables, *sys.argv = json.loads(request)
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(variables)
            return
        reports[pid] = socket.socket(fileno=report)
        reports[pid].send(str(pid).encode())
        for descriptor in streams:
            os.close(descriptor)


def tell_ends(reports: dict[int, socket.socket]) -> None:
    """Report the exit statuses of the copies that have ended."""
    with suppress(ChildProcessError):  # none is left
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            with reports.pop(pid) as report, suppress(ConnectionError):  # nobody need wait for it
                report.send(str(os.waitstatus_to_exitcode(status)).encode())


def become_copy(stdin: int, stdout: int, stderr: int) -> None:
    """Have nothing of the nursery's but what it has imported, and only these streams."""
    signal.set_wakeup_fd(-1)
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
    if os.isatty(0):
        os.login_tty(os.dup(0))
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def compiled(program: Path) -> CodeType:
    return compile(program.read_bytes(), program, "exec")


def run(code: CodeType) -> None:
    """Run a program, and end this process as Python would, but without freeing all that it shares.

    The system copies each page of that before it is freed, which would cost more than the start of a copy.
    """
    copy, status = os.getpid(), 1

    def leave() -> None:
        if os.getpid() == copy:  # hosts, which have forked from it, end in their own way
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    atexit.register(leave)  # the first, and so the last that runs: after all that the program has registered
    sys.modules["__main__"] = main = ModuleType("__main__")
    main.__file__ = sys.argv[0]
    try:
        exec(code, main.__dict__)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else bool(end.code)
        raise


if __name__ == "__main__":
    import smanager.cli
    import smanager.hosts.child.template  # noqa: F401 - what the program's own first copy imports

    programs = {str(path): compiled(path) for path in (ROOT / "smanager.py", ROOT / "tshell.py")}
    serve(socket.socket(fileno=int(sys.argv[1])))
    run(programs.get(sys.argv[0]) or compiled(Path(sys.argv[0])))
