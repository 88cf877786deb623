"""Finds out whether a program is ready, and still alive: from its output, a port, or a command."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from contextvars import copy_context
from signal import SIGKILL
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from time import monotonic
from typing import Any

from smanager.config.service import Probe, ProgramSettings
from smanager.hosts.child.channel import service_output
from smanager.hosts.child.patterns import NOTHING, PatternError, SimplePattern, pattern_for
from smanager.hosts.child.spawn_errors import why_not_started
from smanager.system import open_files
from smanager.system.errors import in_words
from smanager.system.patience import Patience, is_late
from smanager.system.processes import exit_reason, signal_group

POLL_SECONDS = 0.05  # between two looks whether a probe has ended, while it prints nothing
READ_SIZE = 16 * 1024  # bytes that a probe prints read at a time


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
        self._patterns: dict[str, SimplePattern] = {}  # those searched for, by the key that has them
        self.command_group = 0  # of the last command that was run

    def begin(self) -> None:
        """Raises OSError if a pattern takes a process, which the system cannot start."""
        for key, probe in ("ready_when", self._ready_when), ("alive_when", self._alive_when):
            if probe and probe.output:
                self._patterns[key] = pattern_for(probe.output.pattern)
        if self._ready_when is None:
            self._become_ready()
        if self._alive_when or (self._ready_when and not self._ready_when.output):
            run = copy_context().run  # so that what a probe prints is logged under its service's name
            threading.Thread(target=run, args=[self._watch], name="probe", daemon=True).start()

    def end(self) -> None:
        self._over.set()
        self._is_ready.set()
        for key in list(self._patterns):
            self._forget(key)

    def printed(self, text: str) -> None:
        for key, pattern in list(self._patterns.items()):
            if pattern.search(text):
                self._found(key)

    @property
    def searching(self) -> Set[int]:
        """What is readable when a search in the output has ended; until all have, no more output should be read."""
        return NOTHING.union(*(pattern.searching for pattern in list(self._patterns.values())))

    def searched(self, readable: Set[int]) -> None:
        """Take the results of searches that have ended."""
        for key, pattern in list(self._patterns.items()):
            if pattern.searching & readable:
                try:
                    if pattern.result():
                        self._found(key)
                except PatternError as error:
                    self._forget(key)
                    self._hung(f"{key}: {error}")

    def _found(self, key: str) -> None:
        if key == "alive_when":
            self._printed_lately = True
        else:
            self._forget(key)
            self._become_ready()

    def _forget(self, key: str) -> None:
        self._patterns.pop(key).end()

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
        while True:
            began = monotonic()
            if self._over.wait(probe.interval):
                return
            if is_late(probe.interval, monotonic() - began):  # the program may not have run either
                continue
            reason = self._check(probe)
            failures = failures + 1 if reason else 0
            if failures >= max(1, probe.failures):
                self._hung(f"{reason}, {failures} times in a row" if failures > 1 else reason)
                return

    def _check(self, probe: Probe) -> str:
        """What is wrong; empty if nothing is."""
        if probe.port:
            return port_problem(probe.port, probe.timeout)
        if probe.command:
            return command_problem(probe.command, self._popen_options, probe.timeout, self._command_begins)
        printed, self._printed_lately = self._printed_lately, False
        # On a busy machine, a search in what it printed may still be under way.
        return "" if printed or self.searching else "it printed no matching line"

    def _command_begins(self, pid: int) -> None:
        self.command_group = pid


def port_problem(port: int, seconds: float) -> str:
    """Why no loopback address accepts connections on a port; empty if one does."""
    reason = ""
    for address in ("127.0.0.1", "::1"):
        try:
            connect(address, port, seconds)
            return ""
        except OSError as error:
            reason = reason or f"port {port}: {in_words(error)}"
    return reason


def connect(address: str, port: int, seconds: float) -> None:
    """Connect, and close the connection. Raises OSError."""
    patience = Patience(seconds)
    while True:
        try:
            socket.create_connection((address, port), patience.step).close()
            return
        except TimeoutError:
            if not patience.lasts():
                raise


def command_problem(
    command: tuple[str, ...], popen_options: Mapping[str, Any], seconds: float, began: Callable[[int], object]
) -> str:
    """Why a command does not exit with status 0 in time; empty if it does. `began` is told its process id."""
    try:
        process = Popen(
            command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            start_new_session=True,
            preexec_fn=open_files.lowering(),
            **popen_options,
        )
    except OSError as error:
        return f"{command[0]} cannot be run: {why_not_started(error, command, popen_options)}"
    began(process.pid)
    patience = Patience(seconds)
    try:
        print_errors(process, patience)
        while process.poll() is None:
            if not patience.lasts():
                return f"{command[0]} did not end within {seconds:g} s"
            with suppress(TimeoutExpired):
                process.wait(patience.step)
        return f"{command[0]}: {exit_reason(process.returncode)}" if process.returncode else ""
    finally:
        signal_group(process.pid, SIGKILL)  # with everything it has started
        process.wait()
        assert process.stderr is not None  # it is a pipe
        process.stderr.close()


def print_errors(process: Popen[bytes], patience: Patience) -> None:
    """Print what a process writes to its standard error, while the patience lasts and the process has not ended.

    The host's own standard error is no place for it: nothing would show which service it is of.
    """
    assert process.stderr is not None  # it is a pipe
    descriptor, decoder = process.stderr.fileno(), getincrementaldecoder("utf-8")("backslashreplace")
    readable = select.poll()
    readable.register(descriptor, select.POLLIN)
    is_over = False
    while not is_over and patience.lasts():
        has_ended = process.poll() is not None  # before the read, so that the last words are read
        if readable.poll(0 if has_ended else POLL_SECONDS * 1000):
            data = os.read(descriptor, READ_SIZE)
            sys.stdout.write(decoder.decode(data))
            is_over = not data
        else:
            is_over = has_ended  # another process may hold the pipe
    if output := service_output():
        output.end_line()
