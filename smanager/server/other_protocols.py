"""Tells by a connection's first line what no client of ours sends, and what would be harmful to be taken for one."""

from __future__ import annotations

import re

FIRST_LIMIT = 64 * 1024
"""Bytes of a first line that are kept until its end has come; browsers' addresses may be long."""

_PROTOCOLS = {
    # A web page can have a browser send to any port, with any method where it has become the port's own by DNS
    # rebinding; the body would be run (RFC 9112, section 3: method, target and version).
    "HTTP": re.compile(
        rb"[!#$%&'*+.^_`|~\w-]+ (?:(?:/|\*|\w+://)\S*|\S+:\d+) HTTP/\d(?:\.\d)?\r?\n|Host:.*\n", re.IGNORECASE
    ),
    "TLS": re.compile(rb"\x16\x03"),  # a ClientHello (RFC 8446, section 5.1)
}


class FirstLook:
    """Looks at what comes until the first line has ended."""

    __slots__ = ("_data", "over")

    def __init__(self) -> None:
        self._data = bytearray()
        self.over = False
        """Whether there is nothing more to look for."""

    def foreigner(self, data: bytes) -> str:
        """The protocol that the first line, as far as it has come, shows; empty where it is none of these."""
        self._data += data
        is_whole = b"\n" in data
        found = ""
        if is_whole or len(self._data) == len(data):  # TLS shows at the beginning, and HTTP at the end of the line
            found = next((name for name, pattern in _PROTOCOLS.items() if pattern.match(self._data)), "")
        if found or is_whole or len(self._data) > FIRST_LIMIT:
            self.over = True
            self._data.clear()
        return found
