"""Recognizes HTTP and TLS by a connection's first line: taken for commands, such a line could do harm."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FIRST_LIMIT = 64 * 1024  # bytes kept of a first line that has not ended yet; URLs may be long

_PROTOCOLS = {
    # A web page can make a browser send a request to any port, and after DNS rebinding with any method; the lines of
    # its body would be run as commands (RFC 9112, section 3: method, target and version).
    "HTTP": re.compile(
        rb"[!#$%&'*+.^_`|~\w-]+ (?:(?:/|\*|\w+://)\S*|\S+:\d+) HTTP/\d(?:\.\d)?\r?\n|Host:.*\n", re.IGNORECASE
    ),
    "TLS": re.compile(rb"\x16\x03"),  # a ClientHello (RFC 8446, section 5.1)
}


@dataclass(slots=True)
class ProtocolCheck:
    """Looks at a connection's bytes until its first line has ended."""

    _data: bytearray = field(default_factory=bytearray)
    is_done: bool = False

    def protocol_of(self, data: bytes) -> str:
        """Take the next bytes; returns the other protocol that the line shows so far, or an empty string."""
        self._data += data
        is_whole = b"\n" in data
        protocol = ""
        if is_whole or len(self._data) == len(data):  # TLS shows at the beginning of a line, HTTP at its end
            protocol = next((name for name, pattern in _PROTOCOLS.items() if pattern.match(self._data)), "")
        if protocol or is_whole or len(self._data) > FIRST_LIMIT:
            self.is_done = True
            self._data.clear()
        return protocol
