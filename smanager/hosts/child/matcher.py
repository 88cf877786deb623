"""Finds a pattern in what a program prints; as a process of its own, it may take its time and be ended for it.

`re` holds the interpreter while it searches, and `^(a+)+$` takes years over forty letters: in a host, all programs
would wait. The process reads messages from its standard input, each a length and UTF-8 text: the pattern, then what the
program prints, piece by piece. For each piece it answers with one byte. It imports nothing of the package, so that it
takes little memory and starts soon.
"""

import re
import signal
import struct
import sys

LINE_LIMIT = 8 * 1024  # characters of an unfinished line that are kept for matching
MATCH_SECONDS = 1.0  # CPU time for one piece, so that neither a busy machine nor a pause counts
SIMPLE_LIMIT = 200  # characters of a pattern that a host may search for itself
FOUND, NOT_FOUND = b"+", b"-"
LENGTH = struct.Struct("!I")


class LineMatcher:
    """A pattern, and the text since the last newline."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self._line = ""

    def matches(self, text: str) -> bool:
        """Whether a line in the text matches, the line that the text begins in or an unfinished one included."""
        *lines, self._line = (self._line + text).split("\n")
        self._line = self._line[-LINE_LIMIT:]
        # Some programs end lines with CR LF, before which `$` would not match.
        return any(self._pattern.search(line.removesuffix("\r")) for line in [*lines, self._line])


def is_simple(pattern: str) -> bool:
    """Whether a search takes at most len(pattern) steps at each place of a text: nothing is repeated or grouped."""
    return len(pattern) <= SIMPLE_LIMIT and not set("*+?{(") & set(pattern)


def message(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return LENGTH.pack(len(data)) + data


def main() -> None:
    matcher = LineMatcher(_received() or "")
    while (text := _received()) is not None:
        signal.setitimer(signal.ITIMER_VIRTUAL, MATCH_SECONDS)  # whose signal ends the process
        sys.stdout.buffer.write(FOUND if matcher.matches(text) else NOT_FOUND)
        sys.stdout.buffer.flush()


def _received() -> str | None:
    """The next message's text; None at the end."""
    header = sys.stdin.buffer.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    return sys.stdin.buffer.read(*LENGTH.unpack(header)).decode("utf-8", "surrogatepass")


if __name__ == "__main__":
    main()
