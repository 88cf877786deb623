"""The ends of lines, as clients send them."""

from __future__ import annotations

import re

_ENTER = re.compile(rb"\r[\n\0]?")


class Newlines:
    """Makes a newline of each form of Enter: CR LF, CR NUL (RFC 854), CR, LF; also of one that two reads have split."""

    __slots__ = ("_after_return",)

    def __init__(self) -> None:
        self._after_return = False

    def unified(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._after_return and data[:1] in (b"\n", b"\0"):
            data = data[1:]
        self._after_return = data.endswith(b"\r")
        return _ENTER.sub(b"\n", data) if b"\r" in data else data
