"""Cuts a connection's bytes into lines, and runs the lines in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from smanager.server.newlines import Newlines
from smanager.server.rpc.errors import INVALID_REQUEST, RequestError
from smanager.server.rpc.requests import begins_request, failure
from smanager.server.session import Session

LINE_LIMIT, REQUEST_LIMIT = 64 * 1024, 1024 * 1024
"""Bytes of a line of commands, and of a line that is a program's request or batch of requests."""

LINES_A_TURN = 32  # lines cut, and run if the turn is not over, before other connections have their turn


def limit_of(line: bytes) -> int:
    """How many bytes a line with this beginning may have."""
    return REQUEST_LIMIT if begins_request(line) else LINE_LIMIT


def is_too_long(line: bytes) -> bool:
    """Whether a line, or its beginning, has more bytes than it may."""
    return len(line) > LINE_LIMIT and len(line) > limit_of(line)  # nearly every line is short


@dataclass(slots=True, eq=False, repr=False)
class LineReader:
    """Hands each line to `accept` once the commands before it are done."""

    _session: Session
    _accept: Callable[[str], bool]  # runs a line, and returns whether the next may come
    _proceed: Callable[[], None]  # has to call `work` in another turn
    uncut: bytes = b""  # the bytes after the last line that was cut
    at_end: bool = False  # whether no more bytes will come, so that an unfinished line is the last line
    _cut: list[bytes] = field(default_factory=list)  # the next lines, the first one last
    _is_working: bool = False
    _is_due: bool = False  # whether the next lines are run in a later turn
    _skips: bool = False  # the rest of a request that is too long
    _newlines: Newlines = field(default_factory=Newlines)

    def add(self, data: bytes) -> None:
        data = self._newlines.unified(data)
        if self._skips:
            _, newline, data = data.partition(b"\n")
            self._skips = not newline
        self.uncut += data

    def drop(self) -> None:
        self._cut = []
        self.uncut = b""

    def erase_character(self) -> None:
        if not self.uncut.endswith(b"\n"):
            self.uncut = self.uncut.decode("utf-8", "surrogateescape")[:-1].encode("utf-8", "surrogateescape")

    def erase_line(self) -> None:
        self.uncut = self.uncut[: self.uncut.rfind(b"\n") + 1]

    def work(self) -> bool:
        """Run the lines that can run now; returns whether all lines so far are done."""
        if self._is_working or self._is_due:  # a request that ended at once says so while its line is being run
            return False
        self._is_working = True
        try:
            return self._work()
        finally:
            self._is_working = False

    def _work(self) -> bool:
        session, connection = self._session, self._session.connection
        if connection.finishing:  # the lines that are left will never run
            return True
        if not session.busy:
            turns = session.turns
            for _ in range(LINES_A_TURN):
                if not self._cut and not (self.uncut and self._cut_lines()):
                    connection.hold(False)
                    return True
                if turns.is_over():
                    self._go_on_later()
                    break
                line = self._cut.pop()
                if is_too_long(line):
                    self._refuse(line)
                elif not self._accept(line.decode("utf-8", "surrogateescape")):
                    break
                if connection.finishing or session.interpreter.ended:
                    return True
            else:
                self._go_on_later()
        # Some more is read while a command runs, for it may be a Ctrl-C or the end of the connection.
        connection.hold(is_too_long(self.uncut) and not self.at_end)
        return False

    def _go_on_later(self) -> None:
        self._is_due = True
        self._session.turns.later(self._session.party, self._go_on)

    def _go_on(self) -> None:
        self._is_due = False
        self._proceed()

    def _cut_lines(self) -> bool:
        """Cut the next lines, a turn's worth of them; returns whether there was one."""
        *lines, self.uncut = self.uncut.split(b"\n", LINES_A_TURN)
        if not lines and self.at_end:
            lines, self.uncut = [self.uncut], b""
        self._cut = lines[::-1]
        if is_too_long(self.uncut) and not lines:
            uncut, self.uncut = self.uncut, b""
            self._skips = True
            self._refuse(uncut)
        return bool(lines)

    def _refuse(self, line: bytes) -> None:
        """Report that a line is too long; a program's next request is still taken, any other session ends."""
        if limit_of(line) == REQUEST_LIMIT:
            error = RequestError(INVALID_REQUEST, f"a request of more than {REQUEST_LIMIT} bytes")
            self._session.output.write(json.dumps(failure(error, None)) + "\n")
            return
        self.drop()
        self._session.output.write(f"*** a line of more than {LINE_LIMIT} bytes; a command is shorter\n")
        self._session.connection.finish()
