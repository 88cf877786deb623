"""The server's side of TLS, as a codec: what arrives goes in and text comes out, and the other way round.

asyncio's TLS keeps a buffer of 256 KiB for each connection, from its first moment on, and cannot close one direction.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

RECORD = (
    16 * 1024
)  # bytes passed on at a time: a record's limit (RFC 8446, section 5.1), so that no buffer grows larger


class TlsCodec:
    """TLS on one connection. Does no I/O: `receive`, `send` and `close` leave their answers to `take_output`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._output: list[bytes] = []
        self.is_open = False  # whether the handshake is complete
        self.at_end = False  # whether the client has said that it sends no more

    @property
    def certificate(self) -> Mapping[str, Any]:
        """The client's certificate, if it has shown one and it is valid; else empty."""
        try:
            return self._tls.getpeercert() or {}
        except UnicodeDecodeError:  # a name in it is not text: it is shown, and names no user
            return {"subject": ()}

    def receive(self, data: bytes) -> bytes:
        """Take what has arrived; returns the text in it. Raises ssl.SSLError, after which only the output counts."""
        pieces: list[bytes] = []
        try:
            for start in range(0, len(data), RECORD):
                self._incoming.write(data[start : start + RECORD])
                self._work(pieces)
        finally:
            self._collect()
        return b"".join(pieces)

    def _work(self, pieces: list[bytes]) -> None:
        try:
            if not self.is_open:
                self._tls.do_handshake()
                self.is_open = True
            while not self.at_end:
                piece = self._tls.read(RECORD)
                pieces.append(piece)
                self.at_end = not piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # as if it were an empty piece, once `close` was called
            self.at_end = True
        if self.at_end:
            self._incoming.read()  # what comes after the end counts for nothing

    def send(self, text: bytes) -> None:
        """Encrypt text; the handshake is complete."""
        for start in range(0, len(text), RECORD):
            self._tls.write(text[start : start + RECORD])
            self._collect()

    def close(self) -> None:
        """Say that no more text comes."""
        with suppress(ssl.SSLError):  # the client has not said so, too (SSLWantReadError), or TLS has failed already
            self._tls.unwrap()
        self._collect()

    def take_output(self) -> bytes:
        output, self._output = b"".join(self._output), []
        return output

    def _collect(self) -> None:
        if data := self._outgoing.read():
            self._output.append(data)
