"""The supervisors under test: SManager, and supervisord 4.3.0 from PyPI in a separate environment."""

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
"""Where supervisord is installed, once."""

START_DEADLINE = 30.0  # seconds from exec until all programs have reported
STOP_DEADLINE = 30.0

REPORT = "echo $$ > {fifo}; exec sleep 10000"
"""A program that first reports its process id."""

Programs = Mapping[str, Sequence[str]]


class Reports:
    """The process ids that programs report when they start, one per line, with their times of arrival."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "reports"
        os.mkfifo(self.path)
        # Read and write: never at end of file, whichever program closes it.
        self._descriptor = os.open(self.path, os.O_RDWR)
        self._rest = b""

    def read(self) -> list[tuple[int, float]]:
        """Wait for reports; return them. SIGALRM ends the benchmark if none come within START_DEADLINE."""
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
    """Configure SManager for these programs; return its command."""
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
    """Configure supervisord for these programs; return its command."""
    sections = ["[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=supervisord.pid\n"]
    sections += [
        f"[program:{name}]\ncommand={shlex.join(program).replace('%', '%%')}\nstartsecs=0\nautorestart=true\n"
        for name, program in programs.items()
    ]
    (directory / "supervisord.conf").write_text("\n".join(sections))
    return [str(environment() / "bin" / "supervisord"), "-c", "supervisord.conf"]


def environment() -> Path:
    """The environment that both run in, without whatever the machine's own Python imports at startup."""
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
    """Run the supervisor in a directory until the body ends; its output goes to the file `log`."""
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
