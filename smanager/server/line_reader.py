"""Lines out of a connection's bytes, run in their order."""

from __future__ import annotations

import json
from collections.abc import Callable

from smanager.server.rpc.errors import INVALID_REQUEST, RequestError
from smanager.server.rpc.requests import failure
from smanager.server.session import Session

LINE_LIMIT = 64 * 1024
"""Bytes of one line."""

REQUEST_LIMIT = 1024 * 1024
"""Bytes of one that is a program's request, or a batch of them."""

LINES_A_TURN = 32
"""Lines run before other connections have their turn."""


def limit_of(line: bytes) -> int:
    """How many bytes a line may have that begins so."""
    return REQUEST_LIMIT if line.startswith((b"{", b"[")) else LINE_LIMIT


class LineReader:
    """Cuts lines, and hands each to `accept` once the commands before it are done."""

    __slots__ = ("_accept", "_at_end", "_cut", "_proceed", "_session", "_skips", "uncut")

    def __init__(self, session: Session, accept: Callable[[str], bool], proceed: Callable[[], None]) -> None:
        """`accept` runs a line and says whether that is done; `proceed` is to call `work` again, in another turn."""
        self._session = session
        self._accept = accept
        self._proceed = proceed
        self._cut: list[bytes] = []  # the next lines, the first one last
        self._at_end = False
        self._skips = False  # up to the end of a request that is too long
        self.uncut = b""
        """What has come behind the last line that was cut."""

    def add(self, data: bytes) -> None:
        """Take in what has come."""
        if self._skips:
            _, newline, data = data.partition(b"\n")
            self._skips = not newline
        self.uncut += data

    def drop(self) -> None:
        """Forget the lines that have not been run."""
        self._cut = []
        self.uncut = b""

    def erase_character(self) -> None:
        """Forget the last character of the line that is being typed."""
        if not self.uncut.endswith(b"\n"):
            self.uncut = self.uncut.decode("utf-8", "surrogateescape")[:-1].encode("utf-8", "surrogateescape")

    def erase_line(self) -> None:
        """Forget the line that is being typed."""
        self.uncut = self.uncut[: self.uncut.rfind(b"\n") + 1]

    def end(self) -> None:
        """No more will come: what stands without a newline is the last line."""
        self._at_end = True

    def work(self) -> bool:
        """Run the lines that can be run now; whether all that have come are done."""
        session = self._session
        if session.finishing:  # what has come before is not run any more
            return True
        if not session.busy:
            for _ in range(LINES_A_TURN):
                if not self._cut and not (self.uncut and self._cut_lines()):
                    if session.held:
                        session.hold(False)
                    return True
                line = self._cut.pop()
                if len(line) > limit_of(line):
                    self._refuse(line)
                elif not self._accept(line.removesuffix(b"\r").decode("utf-8", "surrogateescape")):
                    break
                if session.finishing or session.interpreter.ended:
                    return True
            else:
                session.loop.call_soon(self._proceed)
        # A little more is read while a command runs, for it may be a Ctrl-C, or the end of the connection.
        session.hold(len(self.uncut) > limit_of(self.uncut) and not self._at_end)
        return False

    def _cut_lines(self) -> bool:
        """Cut the next lines, a turn's worth of them; False where there is none yet."""
        *lines, self.uncut = self.uncut.split(b"\n", LINES_A_TURN)
        if not lines and self._at_end:
            lines, self.uncut = [self.uncut], b""
        self._cut = lines[::-1]
        if len(self.uncut) > limit_of(self.uncut) and not lines:
            uncut, self.uncut = self.uncut, b""
            self._skips = True
            self._refuse(uncut)
        return bool(lines)

    def _refuse(self, line: bytes) -> None:
        """Say that a line is too long; a program goes on with the next one."""
        if limit_of(line) == REQUEST_LIMIT:
            error = RequestError(INVALID_REQUEST, f"a request of more than {REQUEST_LIMIT} bytes")
            self._session.write(json.dumps(failure(error, None)) + "\n")
            return
        self.drop()
        self._session.write(f"*** a line of more than {LINE_LIMIT} bytes; a command is shorter\n")
        self._session.finish()
