"""Recognizes other protocols by a connection's first lines: taken for commands, such lines could do harm.

A web page can make a browser send a request to any port, and after DNS rebinding with any method; the lines of its
body would be run as commands. A program that fetches URLs can be made to speak many protocols. The clients of some
(FTP, SMTP, IMAP, POP3) say nothing before a greeting that they never get here; those that speak first are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FIRST_LIMIT = 64 * 1024  # bytes kept of a line that has not ended yet; URLs may be long
FIRST_LINES = 32  # lines looked at, in whatever pieces they come; `Host:` is among the first few of a request
BEGINNING = 16  # bytes by which a protocol with a beginning of its own has shown

_IAC = b"\xff"  # what a telnet client begins with (RFC 854), and no other
_ENTER = re.compile(rb"\r\n?|\n")
# Blank lines, which HTTP allows before a request (RFC 9112, 2.2), in any form of Enter.
_BLANK = re.compile(rb"(?:\r\0|[ \t\n]|\r(?!\Z))*")

_BEGINNING = re.compile(
    rb"(?P<TLS>\x16\x03)"  # a ClientHello (RFC 8446, 5.1)
    # MQTT, SMB, SOCKS and RTMP have a NUL among their first numbers, LDAP has 2, 1 (RFC 4511, 4.1.1). What follows may
    # be lines: curl sends a user's name with its newlines. What begins like JSON gets JSON's errors.
    rb"|(?P<binary>(?![{\[])[^\r\n\xff]{0,14}?(?:\0|\x02\x01))"
    rb"|(?P<DICT>CLIENT libcurl[ \r\n])"  # curl sends it for a dict:// URL, and then the words of the URL
    rb"|(?P<Redis>\*\d+[\r\n])"  # an array: a line for each of its texts
    rb"|(?P<PROXY>PROXY (?:TCP[46]|UNKNOWN)[ \r\n])"  # what HAProxy puts before what its client sends
)
# A request line ends with a version (RFC 9112, section 3); the target before it may have blanks if the client is
# careless. A script that means such a text for a command puts it in quotes.
_HTTP = re.compile(rb"^Host[ \t]*:|[ \t](?:HTTP|RTSP|SIP|ICAP)/\d\.\d[ \t]*$", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class ProtocolCheck:
    """Looks at a connection's first lines; blank ones before them do not count."""

    _data: bytearray = field(default_factory=bytearray)  # of a line that has not ended
    _left: int = FIRST_LINES
    is_done: bool = False

    def protocol_of(self, data: bytes) -> str:
        """Take the next bytes; returns the other protocol that the bytes so far show, or an empty string."""
        protocol = self._protocol_of(data)
        self.is_done = self.is_done or bool(protocol) or len(self._data) > FIRST_LIMIT
        if self.is_done:
            self._data.clear()
        return protocol

    def _protocol_of(self, data: bytes) -> str:
        is_first = self._left == FIRST_LINES
        is_beginning = is_first and len(self._data) < BEGINNING
        self._data += data
        if is_first and self._data[:1].isspace() and (blank := _BLANK.match(self._data)):
            del self._data[: blank.end()]
        if is_first and self._data.startswith(_IAC):
            self.is_done = True
            return ""
        if is_beginning and (begun := _BEGINNING.match(self._data)):
            return begun.lastgroup or ""
        if self._data == b"\r" or not _ENTER.search(self._data, max(0, len(self._data) - len(data))):
            return ""
        lines = _ENTER.sub(b"\n", self._data).split(b"\n", self._left)
        is_http = _HTTP.search(b"\n".join(lines[: self._left]))
        self._left -= len(lines) - 1
        self.is_done = not self._left or self._data.startswith((b"{", b"["))  # a program's lines may be long
        self._data = bytearray(lines[-1])
        return "HTTP" if is_http else ""
