"""The patterns that a program's output is searched for, each where it can harm no other program."""

from __future__ import annotations

import socket
import sys
from collections.abc import Set
from contextlib import suppress
from signal import SIGVTALRM
from subprocess import DEVNULL, Popen

from smanager.hosts.child import matcher
from smanager.hosts.child.matcher import FOUND, MATCH_SECONDS, LineMatcher, is_simple, message
from smanager.system.processes import exit_reason

SEND_SECONDS = 1.0  # for a piece to get into the socket: at once where its buffer is larger than a piece, as on Linux
NOTHING: frozenset[int] = frozenset()


class PatternError(Exception):
    """A pattern can no longer be searched for; the text says why."""


class SimplePattern:
    """A pattern that is searched for at once, because that takes little time with any text."""

    def __init__(self, pattern: str) -> None:
        self._matcher = LineMatcher(pattern)

    @property
    def searching(self) -> Set[int]:
        """What is readable when the search under way has ended; until then, no more text should come."""
        return NOTHING

    def search(self, text: str) -> bool:
        """Search what was printed; returns whether the pattern was found by now."""
        return self._matcher.matches(text)

    def result(self) -> bool:
        """Whether the search that was under way has found the pattern. Raises PatternError."""
        return False

    def end(self) -> None:
        """Search no more."""


class PatternProcess(SimplePattern):
    """A pattern that is searched for in a process of its own, which ends if a search takes too long."""

    def __init__(self, pattern: str) -> None:
        """Raises OSError if the system cannot start a process."""
        self._pattern = pattern
        self._is_searching = False
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(SEND_SECONDS)
        program = [sys.executable, "-I", "-S", matcher.__file__]
        with theirs:
            self._process = Popen(program, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=DEVNULL)
        self._send(pattern)

    @property
    def searching(self) -> Set[int]:
        return {self._socket.fileno()} if self._is_searching else NOTHING

    def search(self, text: str) -> bool:
        if not self._is_searching:  # else the program has ended, and its last output is read
            self._is_searching = True
            self._send(text)
        return False

    def result(self) -> bool:
        self._is_searching = False
        answer = b""
        with suppress(OSError):
            answer = self._socket.recv(1)
        if answer:
            return answer == FOUND
        status = self._process.wait()
        if status == -SIGVTALRM:
            took = f"takes more than {MATCH_SECONDS:g} s of CPU time for what the program printed"
            raise PatternError(f"the pattern {self._pattern!r} {took}")
        raise PatternError(f"the process that searches for {self._pattern!r} has ended: {exit_reason(status)}")

    def end(self) -> None:
        self._is_searching = False
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _send(self, text: str) -> None:
        try:
            self._socket.sendall(message(text))
        except OSError:  # it has ended, which `result` reports
            self._process.kill()


def pattern_for(pattern: str) -> SimplePattern:
    """The pattern, ready to be searched for. Raises OSError if that takes a process, which the system cannot start."""
    return SimplePattern(pattern) if is_simple(pattern) else PatternProcess(pattern)
