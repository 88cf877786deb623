"""The frames that the manager and a host exchange over their socket pair; no I/O.

A frame is a header, whose fields are the payload's length in bytes, the frame's kind and the number of
the call that it belongs to, then the payload: UTF-8 text or JSON. Text that is not valid UTF-8 travels
as Python's surrogate escapes and leaves as the bytes it was.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from smanager.terminal.text import as_bytes

_encode = json.JSONEncoder(separators=(",", ":")).encode  # `dumps` would make one for each frame

_HEADER = struct.Struct("!IBI")

PAYLOAD_LIMIT = 4 * 1024 * 1024
"""Bytes. Text goes in far smaller pieces; a larger payload is taken for garbage, and its sender is ended."""

WINDOW = 256 * 1024
"""Characters of a command's output that may be under way before a host waits to be asked for more."""


class Kind(IntEnum):
    """What a frame says; the payload stands behind it."""

    # From the manager to a host.
    LOAD = 1  # JSON: a services file's path
    START = 2  # JSON: a service's name, its file's path, its class's name, its settings
    STOP = 3  # JSON: a service's name
    END = 4  # nothing: stop every service and end
    CALL = 5  # JSON: service, method, arguments, options, whether its value is wanted and no text
    COMPLETE = 6  # JSON: service, command, text, line, begidx, endidx
    CANCEL = 7  # nothing
    MORE = 8  # JSON: how many characters of output have been passed on
    PING = 9  # JSON: the names of the services whose silence is asked for
    SIGNAL = 10  # JSON: a service's name, and the number of the signal for its program
    # From a host to the manager.
    LOADED = 16  # JSON: a services file's path, and the services and problems found in it
    READY = 17  # JSON: the service's name, and null
    SPAWNED = 18  # JSON: the service's name, and the process id of its program
    HUNG = 19  # JSON: the service's name, and why it is taken for hung
    ENDED = 20  # JSON: the service's name, why its life has ended (null: as asked), whether that is a success
    TEXT = 21  # text: a piece of a command's output
    DATA = 27  # text: a piece of the JSON that a command's result is
    ITEM = 28  # text: an item of a stream, as JSON
    VALUE = 30  # text: the JSON that a command's result is, whole; the command is done
    PROGRESS = 29  # JSON: done, total (or null) and text
    RESULT = 22  # text: the rest of a command's output; the command is done
    ERROR = 23  # text: the exception's one line; the command has failed
    COMPLETIONS = 24  # JSON: the words found
    LOG = 25  # JSON: the service's name (or null) and a line of what it printed
    PONG = 26  # JSON: for each service asked for, seconds since its last sign of life


class Frame(NamedTuple):
    kind: Kind
    number: int
    payload: bytes

    def text(self) -> str:
        return self.payload.decode("utf-8", "surrogateescape")

    def data(self) -> Any:
        """The payload's JSON. Raises FrameError where it is none."""
        try:
            return json.loads(self.payload)
        except (ValueError, RecursionError) as error:
            raise FrameError(f"{self.kind.name} frame without JSON: {error}") from None

    def fields(self, *types: Any) -> list[Any]:
        """The JSON list of values of these types. Raises FrameError where it is none."""
        found = self.data()
        if isinstance(found, list) and len(found) == len(types) and all(map(isinstance, found, types)):
            return found
        raise self._unexpected(found)

    def texts(self) -> list[str]:
        """The JSON list of texts. Raises FrameError where it is none."""
        found = self.data()
        if isinstance(found, list) and all(isinstance(text, str) for text in found):
            return found
        raise self._unexpected(found)

    def numbers(self) -> dict[str, float]:
        """The JSON table of numbers. Raises FrameError where it is none."""
        found = self.data()
        if isinstance(found, dict) and all(isinstance(number, int | float) for number in found.values()):
            return found
        raise self._unexpected(found)

    def _unexpected(self, found: object) -> FrameError:
        return FrameError(f"{self.kind.name} frame with {found!r:.100}")


class FrameError(Exception):
    """Bytes that are no frames: the other end is broken, and nothing after them can be trusted."""


def encode(kind: Kind, number: int, payload: bytes = b"") -> bytes:
    return _HEADER.pack(len(payload), kind, number) + payload


def encode_text(kind: Kind, number: int, text: str) -> bytes:
    return encode(kind, number, as_bytes(text))


def encode_data(kind: Kind, number: int, data: object) -> bytes:
    return encode(kind, number, _encode(data).encode("ascii"))


class FrameDecoder:
    """Finds the frames in a stream of bytes, however it is cut."""

    __slots__ = ("_needed", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _HEADER.size

    def receive(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes. Raises FrameError at the first bytes that are none."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:  # so that a large frame is not copied with each small piece of it
                return
            data = bytes(self._rest)
        self._needed = _HEADER.size
        start, end = 0, len(data)
        try:
            while end - start >= _HEADER.size:
                length, kind, number = _HEADER.unpack_from(data, start)
                if length > PAYLOAD_LIMIT:
                    raise FrameError(f"a payload of {length} bytes; at most {PAYLOAD_LIMIT} are allowed")
                body = start + _HEADER.size
                if end - body < length:
                    self._needed = _HEADER.size + length
                    break
                start = body + length
                yield Frame(_kind(kind), number, data[body:start])
        finally:
            self._rest = bytearray(data[start:])


def _kind(value: int) -> Kind:
    try:
        return Kind(value)
    except ValueError:
        raise FrameError(f"{value} is no kind of frame") from None
