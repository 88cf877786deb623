"""The frames that the manager and a host exchange over their socket pair; no I/O.

A frame is a header and a payload. The header holds the payload's length in bytes, the frame's kind, and the number
of the call that the frame belongs to. The payload is UTF-8 text or JSON. Text that is not valid UTF-8 travels as
Python's surrogate escapes and leaves as its original bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from smanager.commands.record import Failure
from smanager.terminal.text import as_bytes

to_json = json.JSONEncoder(separators=(",", ":")).encode  # `dumps` would make an encoder for each frame
_from_json = json.JSONDecoder().decode  # `loads` would look for the encoding

_HEADER = struct.Struct("!IBI")
PAYLOAD_LIMIT = 4 * 1024 * 1024  # bytes; a larger payload counts as garbage. Text travels in far smaller pieces
WINDOW = 256 * 1024  # characters of output that a host sends before it waits for the manager to ask for more


class FrameKind(IntEnum):
    """What a frame says; each comment describes the payload."""

    # From the manager to a host: about the host and its services,
    LOAD = 1  # JSON: a services file's path
    START = 2  # JSON: a service's name, its file's path, its class's name, its settings, its directory
    STOP = 3  # JSON: a service's name
    SIGNAL = 4  # JSON: a service's name, and the number of the signal for its program
    END = 5  # empty: stop every service and exit
    PING = 6  # JSON: the names of the services whose silence is to be measured
    # and about a call.
    CALL = (
        7  # JSON: caller, service, method, arguments, options, whether the caller wants the value, the window's width
    )
    MORE = 8  # JSON: how many characters of output have been passed on
    CANCEL = 9  # empty
    COMPLETE = 10  # JSON: caller, service, command, text, line, begidx, endidx
    # and about what a service has asked.
    ANSWER = 11  # text: the JSON of the result; the question is answered
    REFUSAL = 12  # JSON: code, message and data of the error in JSON-RPC; the question is answered
    PART = 13  # text: the JSON of an item of a stream
    # From a host to the manager: about the host and its services,
    LOADED = 16  # JSON: a services file's path, and the services and problems in it
    READY = 17  # JSON: the service's name, and null
    SPAWNED = 18  # JSON: the service's name, and the process id of its program
    HUNG = 19  # JSON: the service's name, and why it counts as hung
    ENDED = 20  # JSON: the service's name, why its life ended (null: as requested), whether that is a success
    LOG = 21  # JSON: the service's name (or null), and a line that it printed
    READ = 31  # JSON: the service's name, and what identifies the contents of its program's env_files
    PONG = 22  # JSON: for each service of the PING, seconds since its last sign of life
    # and about a call.
    TEXT = 23  # text: a piece of a command's output
    DATA = 24  # text: a piece of the JSON of a command's result
    ITEM = 25  # JSON: an item of a stream
    PROGRESS = 26  # JSON: done, total (or null) and text; also from the manager to a host, of what a service has asked
    RESULT = 27  # text: the rest of a command's output; the command is done
    VALUE = 28  # JSON: a command's whole result; the command is done
    ERROR = 29  # JSON: the exception's type ("" if the method raised none) and its message; the command has failed
    COMPLETIONS = 30  # JSON: words
    # and about what a service asks; the number is the question's.
    # JSON: the service's name, the call in which it asks (0: none), whether for its caller, its other name, the number
    # of the question by which the user has logged in for whom it asks (0: none), method, params
    ASK = 32
    UNASK = 33  # empty: the service no longer waits
    # JSON: the service's name, a client's address and proof; a PART answers, and the end is that of the login
    LOG_IN = 35
    TAKEN = 34  # JSON: a list of how many characters of items the service has taken


_KINDS = {kind.value: kind for kind in FrameKind}  # a call of FrameKind takes ten times as long


class FrameError(Exception):
    """Bytes that are not frames: the other end is broken, and nothing after them can be trusted."""


class Frame(NamedTuple):
    kind: FrameKind
    number: int
    payload: bytes

    def text(self) -> str:
        return self.payload.decode("utf-8", "surrogateescape")

    def data(self) -> Any:
        """The payload's JSON. Raises FrameError if the payload is not JSON."""
        try:
            return _from_json(self.payload.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError) as error:
            raise FrameError(f"{self.kind.name} frame without JSON: {error}") from None

    def fields(self, *types: Any) -> list[Any]:
        """The payload as a JSON list of values of these types. Raises FrameError if it is anything else."""
        data = self.data()
        if isinstance(data, list) and len(data) == len(types) and all(map(isinstance, data, types)):
            return data
        raise self._unexpected(data)

    def texts(self) -> list[str]:
        """The payload as a JSON list of strings. Raises FrameError if it is anything else."""
        data = self.data()
        if isinstance(data, list) and all(isinstance(text, str) for text in data):
            return data
        raise self._unexpected(data)

    def numbers(self) -> dict[str, float]:
        """The payload as a JSON object of numbers. Raises FrameError if it is anything else."""
        data = self.data()
        if isinstance(data, dict) and all(isinstance(number, int | float) for number in data.values()):
            return data
        raise self._unexpected(data)

    def _unexpected(self, data: object) -> FrameError:
        return FrameError(f"{self.kind.name} frame with {data!r:.100}")


def encode(kind: FrameKind, number: int, payload: bytes = b"") -> bytes:
    return _HEADER.pack(len(payload), kind, number) + payload


def encode_text(kind: FrameKind, number: int, text: str) -> bytes:
    return encode(kind, number, as_bytes(text))


def encode_data(kind: FrameKind, number: int, data: object) -> bytes:
    return encode(kind, number, to_json(data).encode("ascii"))


def encode_failure(number: int, failure: Failure) -> bytes:
    return encode_data(FrameKind.ERROR, number, [failure.type, failure.message])


class FrameDecoder:
    """Finds the frames in a stream of bytes, however the stream is cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _HEADER.size

    def receive(self, data: bytes | memoryview) -> Iterator[Frame]:
        """Yield the frames that `data` completes. Raises FrameError at the first bytes that are not a frame."""
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
                yield Frame(_KINDS[kind], number, bytes(data[body:start]))
        except KeyError:
            raise FrameError(f"{kind} is not a kind of frame") from None
        finally:
            self._rest = bytearray(data[start:])
