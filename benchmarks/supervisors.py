"""The supervisors under test: SManager, and supervisord 4.3.0 from PyPI in an environment of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.servers import HERE, BenchmarkError

SUPERVISORD = "supervisor==4.3.0"
ENVIRONMENT = HERE.parent / ".supervisord"
"""Where it is installed, once."""

START_DEADLINE = 30.0  # seconds from exec until all programs have reported
STOP_DEADLINE = 30.0

REPORT = "echo $$ > {fifo}; exec sleep 10000"
"""A program whose first act is to say that it runs, and as which process."""

Programs = Mapping[str, Sequence[str]]


class Reports:
    """What programs write when they begin: process ids, one to a line, with the moment at which they came."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "reports"
        os.mkfifo(self.path)
        self._descriptor = os.open(self.path, os.O_RDWR)  # never at its end, whoever closes
        self._rest = b""

    def read(self) -> list[tuple[int, float]]:
        """The next ones, once there are any. Raises BenchmarkError where none come."""
        signal.alarm(int(START_DEADLINE))
        try:
            data = self._rest + os.read(self._descriptor, 65536)
        finally:
            signal.alarm(0)
        *lines, self._rest = data.split(b"\n")
        return [(int(line), time.perf_counter()) for line in lines]

    def close(self) -> None:
        os.close(self._descriptor)


def smanager(directory: Path, programs: Programs, services: str = "") -> list[str]:
    """The command that has SManager keep these programs up."""
    tables = [
        f"[services.{name}]\nprogram = {list(program)!r}\nstable_after = 0.2\n" for name, program in programs.items()
    ]
    (directory / "smanager.toml").write_text("\n".join(tables))
    (directory / "services").mkdir()
    if services:
        (directory / "services" / "bench.py").write_text(services)
    options = ["--config", "smanager.toml", "--services", "services", "--state-dir", "state", "--port", "0"]
    return [str(environment() / "bin" / "python3"), str(HERE.parent / "smanager.py"), *options]


def supervisord(directory: Path, programs: Programs) -> list[str]:
    """The command that has supervisord keep these programs up."""
    sections = ["[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=supervisord.pid\n"]
    sections += [
        f"[program:{name}]\ncommand={shlex.join(program).replace('%', '%%')}\nstartsecs=0\nautorestart=true\n"
        for name, program in programs.items()
    ]
    (directory / "supervisord.conf").write_text("\n".join(sections))
    return [str(environment() / "bin" / "supervisord"), "-c", "supervisord.conf"]


def environment() -> Path:
    """The environment in which both run, so that what a machine's own Python imports at its start burdens neither."""
    if not (ENVIRONMENT / "bin" / "supervisord").exists():
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run([ENVIRONMENT / "bin" / "pip", "install", "-q", SUPERVISORD], check=True)
    return ENVIRONMENT


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="supervision-") as directory:
        yield Path(directory)


@contextlib.contextmanager
def supervising(command: Sequence[str], directory: Path) -> Iterator[subprocess.Popen[str]]:
    """The supervisor, running there; what it says goes to the file `log`."""
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, text=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise BenchmarkError(f"{command[0]} did not stop within {STOP_DEADLINE} s") from None
