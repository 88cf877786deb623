"""Finds out whether a program is ready, and still alive: from its output, a port, or a command."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from contextvars import copy_context
from signal import SIGKILL
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from time import monotonic
from typing import Any

from smanager.config.service import Probe, ProgramSettings
from smanager.hosts.child.channel import service_output
from smanager.system.errors import in_words
from smanager.system.processes import exit_reason, signal_group

CHECK_SECONDS = 5.0  # how long one check may take
POLL_SECONDS = 0.05  # between two looks whether a probe has ended, while it prints nothing
READ_SIZE = 16 * 1024  # bytes that a probe prints read at a time
LINE_LIMIT = 8 * 1024  # characters of an unfinished line that are kept for matching


class Watch:
    """Reports when a program is ready, and later when it hangs."""

    def __init__(
        self,
        settings: ProgramSettings,
        popen_options: Mapping[str, Any],
        ready: Callable[[], None],
        hung: Callable[[str], object],
    ) -> None:
        """`popen_options` are for probe commands; `hung` is given the reason."""
        self._popen_options = popen_options
        self._ready_when, self._alive_when = settings.ready_when, settings.alive_when
        self._ready, self._hung = ready, hung
        self._is_ready = threading.Event()
        self._over = threading.Event()
        self._printed_lately = False
        self._line = ""

    def begin(self) -> None:
        if self._ready_when is None:
            self._become_ready()
        if self._alive_when or (self._ready_when and not self._ready_when.output):
            run = copy_context().run  # so that what a probe prints is logged under its service's name
            threading.Thread(target=run, args=[self._watch], name="probe", daemon=True).start()

    def end(self) -> None:
        self._over.set()
        self._is_ready.set()

    def printed(self, text: str) -> None:
        if not any(probe and probe.output for probe in (self._ready_when, self._alive_when)):
            return
        *lines, self._line = (self._line + text).split("\n")
        self._line = self._line[-LINE_LIMIT:]
        for line in [*lines, self._line]:
            if matches(self._ready_when, line) and not self._is_ready.is_set():
                self._become_ready()
            if matches(self._alive_when, line):
                self._printed_lately = True

    def _become_ready(self) -> None:
        self._is_ready.set()
        self._ready()

    def _watch(self) -> None:
        """Check in a thread of its own, because a check may take its time."""
        probe = self._ready_when
        if probe and not probe.output:
            while self._check(probe):
                if self._over.wait(probe.interval):
                    return
            self._become_ready()
        if not (probe := self._alive_when):
            return
        self._is_ready.wait()
        failures = 0
        while not self._over.wait(probe.interval):
            reason = self._check(probe)
            failures = failures + 1 if reason else 0
            if failures >= max(1, probe.failures):
                self._hung(f"{reason}, {failures} times in a row" if failures > 1 else reason)
                return

    def _check(self, probe: Probe) -> str:
        """What is wrong; empty if nothing is."""
        if probe.port:
            return port_problem(probe.port)
        if probe.command:
            return command_problem(probe.command, self._popen_options)
        printed, self._printed_lately = self._printed_lately, False
        return "" if printed else "it printed no matching line"


def matches(probe: Probe | None, line: str) -> bool:
    return bool(probe and probe.output and probe.output.search(line))


def port_problem(port: int) -> str:
    """Why no loopback address accepts connections on a port; empty if one does."""
    reason = ""
    for address in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((address, port), CHECK_SECONDS):
                return ""
        except OSError as error:
            reason = reason or f"port {port}: {in_words(error)}"
    return reason


def command_problem(command: tuple[str, ...], popen_options: Mapping[str, Any]) -> str:
    """Why a command does not exit with status 0; empty if it does."""
    try:
        process = Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, start_new_session=True, **popen_options)
    except OSError as error:
        return f"{command[0]} cannot be run: {in_words(error)}"
    deadline = monotonic() + CHECK_SECONDS
    try:
        print_errors(process, deadline)
        status = process.wait(max(0.0, deadline - monotonic()))
        return f"{command[0]}: {exit_reason(status)}" if status else ""
    except TimeoutExpired:
        return f"{command[0]} did not end within {CHECK_SECONDS:g} s"
    finally:
        signal_group(process.pid, SIGKILL)  # with everything it has started
        process.wait()
        assert process.stderr is not None  # it is a pipe
        process.stderr.close()


def print_errors(process: Popen[bytes], deadline: float) -> None:
    """Print what a process writes to its standard error, until the process has ended or the deadline has come.

    The host's own standard error is no place for it: nothing would show which service it is of.
    """
    assert process.stderr is not None  # it is a pipe
    descriptor, decoder = process.stderr.fileno(), getincrementaldecoder("utf-8")("backslashreplace")
    readable = select.poll()
    readable.register(descriptor, select.POLLIN)
    is_over = False
    while not is_over and monotonic() < deadline:
        has_ended = process.poll() is not None  # before the read, so that the last words are read
        if readable.poll(0 if has_ended else POLL_SECONDS * 1000):
            data = os.read(descriptor, READ_SIZE)
            sys.stdout.write(decoder.decode(data))
            is_over = not data
        else:
            is_over = has_ended  # another process may hold the pipe
    if output := service_output():
        output.end_line()
