"""Whether a program is ready, and whether it is still alive: looks at its output, at a port, or asks a command."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from smanager.config.service import Probe, ProgramSettings
from smanager.system.errors import exit_reason, in_words

LOOK_SECONDS = 5.0
"""How long one look may take."""

LINE_LIMIT = 8 * 1024
"""Characters of an unfinished line that are kept to be searched."""


class Watch:
    """Tells when a program is ready, and later when it is hung."""

    def __init__(
        self,
        settings: ProgramSettings,
        circumstances: Mapping[str, Any],
        ready: Callable[[], None],
        hung: Callable[[str], None],
    ) -> None:
        """`circumstances` are how commands are run: where, and as whom."""
        self._circumstances = circumstances
        self._ready_when, self._alive_when = settings.ready_when, settings.alive_when
        self._ready, self._hung = ready, hung
        self._is_ready = threading.Event()
        self._over = threading.Event()
        self._printed_lately = False
        self._line = ""

    def begin(self) -> None:
        """The program has been spawned."""
        if self._ready_when is None:
            self._become_ready()
        if self._alive_when or (self._ready_when and not self._ready_when.output):
            threading.Thread(target=self._watch, name="probe", daemon=True).start()

    def end(self) -> None:
        """The program has ended."""
        self._over.set()
        self._is_ready.set()

    def printed(self, text: str) -> None:
        """The program has printed this."""
        patterns = [probe.output for probe in (self._ready_when, self._alive_when) if probe and probe.output]
        if not patterns:
            return
        *lines, self._line = (self._line + text).split("\n")
        self._line = self._line[-LINE_LIMIT:]
        for line in [*lines, self._line]:
            if self._ready_when and matches(self._ready_when.output, line) and not self._is_ready.is_set():
                self._become_ready()
            if self._alive_when and matches(self._alive_when.output, line):
                self._printed_lately = True

    def _become_ready(self) -> None:
        self._is_ready.set()
        self._ready()

    def _watch(self) -> None:
        """In a thread of its own, for a look may take its time."""
        probe = self._ready_when
        if probe and not probe.output:
            while self._look(probe):
                if self._over.wait(probe.interval):
                    return
            self._become_ready()
        self._is_ready.wait()
        if self._alive_when:
            self._watch_life(self._alive_when)

    def _watch_life(self, probe: Probe) -> None:
        failures = 0
        while not self._over.wait(probe.interval):
            reason = self._look(probe)
            failures = failures + 1 if reason else 0
            if failures >= max(1, probe.failures):
                self._hung(f"{reason}, {failures} times in a row" if failures > 1 else reason)
                return

    def _look(self, probe: Probe) -> str:
        """What is wrong, if anything is."""
        if probe.port:
            return port_problem(probe.port)
        if probe.command:
            return command_problem(probe.command, self._circumstances)
        printed, self._printed_lately = self._printed_lately, False
        return "" if printed else "it printed no line that matches"


def matches(pattern: re.Pattern[str] | None, line: str) -> bool:
    return pattern is not None and pattern.search(line) is not None


def port_problem(port: int) -> str:
    reason = ""
    for address in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((address, port), LOOK_SECONDS):
                return ""
        except OSError as error:
            reason = reason or f"port {port}: {in_words(error)}"
    return reason


def command_problem(command: tuple[str, ...], circumstances: Mapping[str, Any]) -> str:
    null = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=null, stdout=null, start_new_session=True, **circumstances)
    except OSError as error:
        return f"{command[0]} cannot be run: {in_words(error)}"
    try:
        status = process.wait(LOOK_SECONDS)
        return f"{command[0]}: {exit_reason(status)}" if status else ""
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {LOOK_SECONDS:g} s"
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # whatever it has started
        process.wait()
