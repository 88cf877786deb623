#!/usr/bin/env python3
"""The client: a terminal on SManager for people, commands with an exit status for scripts, a call for programs.

    tshell.py                           an interactive session; Ctrl-] leaves
    tshell.py systemstatus uptime       one command: its output, and its exit status
    tshell.py < commands                several, one a line; the exit status is the highest of theirs
    tshell.py -                         the same, and each one's status is told on stderr; -e stops at a failure
    tshell.py --complete bash           a completion script, whose words come from the server

A program imports `Client`, or for a single command `smanager_cmd`. This file needs nothing but Python 3.11, so
it can be copied alone.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import json
import os
import re
import select
import shlex
import signal
import socket
import stat
import struct
import sys
import termios
import tty

CANCEL_SECONDS = 2.0  # how long Ctrl-C waits for the server to have ended the command

# Each asks the program that is being completed, which need not be in $PATH.
COMPLETIONS = {
    "bash": """_tshell() {
    local index
    mapfile -t COMPREPLY < <("${1/#\\~\\//$HOME/}" --words "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    for index in "${!COMPREPLY[@]}"; do printf -v "COMPREPLY[index]" %q "${COMPREPLY[index]}"; done
}
complete -o nosort -F _tshell tshell tshell.py
""",
    "zsh": """#compdef tshell tshell.py
_tshell() { compadd -- ${(f)"$($~words[1] --words "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)"} }
compdef _tshell tshell tshell.py
""",
    "fish": """function __tshell
    set -l program (string replace -r '^~/' "$HOME/" -- (commandline -opc)[1])
    $program --words (commandline -cp | string collect) 2>/dev/null
end
complete -c tshell -c tshell.py -f -a '(__tshell)'
""",
}

TYPE_CHECKING = False  # typing's own constant would cost its import, a tenth of the start-up time
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

HOST, PORT = "127.0.0.1", "10000"
CONNECT_TIMEOUT = 5.0  # seconds for each of a name's addresses: a lost SYN is sent again after 1 s and after 3 s
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""A reply is waited for without limit, for a command may run long; a server that vanished shows in 2 minutes."""

REPLY_LIMIT = 64 * 1024 * 1024  # bytes of one reply: more than any page or log extract, less than a small box's memory
QUOTE_LIMIT = 60  # bytes of an answer that is not a reply, in the message about it
CHUNK = 64 * 1024  # bytes to read at once: as much as a pipe or a socket usually holds
MOST_WAITING = 200_000  # items of other streams kept for a call: as many as can be on their way already, and more
OUTGOING_LIMIT = 64 * 1024  # bytes kept for a server that does not read, before the keyboard waits for it
SUBNEGOTIATION_LIMIT = 256  # bytes of an unfinished telnet sequence; the one that SManager sends has 6

FAILED = 1  # the exit status of a failed command; 2 is an unknown one, or wrong arguments
NO_SERVER = 3
NAME_LIMIT = 64  # characters of the name that SManager's journal keeps
CANCELLED, NOT_LOGGED_IN = -32800, -32002  # codes of answers: the request was cancelled; who is it?
KILLED = 128  # plus a signal's number: the exit status that shells give to a program that ended by a signal

STDIN, STDOUT, STDERR = 0, 1, 2

# ---- for programs


class Reply(str):
    """A command's output as text, and its exit `status`: 0 done, 1 failed, 2 unknown or wrong arguments."""

    __slots__ = ("status",)
    status: int

    def __new__(cls, output: str, status: int = 0) -> Reply:
        reply = super().__new__(cls, output)
        reply.status = status
        return reply


def smanager_cmd(address: str, port: int, command: str) -> Reply:
    """Run one command line on the SManager at `address` and `port`, and wait until it is done.

    The text of a failed command holds the reason, in a line that begins with `*** `. Raises ConnectionError,
    with a sentence fit for a person, when no SManager answers or it was lost.
    """
    with Client(address, port) as client:
        try:
            return client.execute(command)
        except CallError as error:
            return Reply(f"*** {error}\n", FAILED)


class CallError(Exception):
    """A call that failed: its text says why, `code` is JSON-RPC's, `data` may hold the exception's type and message."""

    def __init__(self, message: str, code: int = 0, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Client:
    """A connection to an SManager, for programs; use it in a `with` statement. One thread at a time.

    Calls may be made while streams are read: what comes for those waits until they are read on.
    """

    def __init__(
        self,
        address: str = "127.0.0.1",
        port: int = 10000,
        *,
        unix: str = "",
        tls: bool = False,
        ca: str = "",
        cert: str = "",
        key: str = "",
        token: str | None = None,
        behalf: str = "",
    ) -> None:
        """Connect at the first call, for the server takes a connection that stays silent for a person's.

        `unix` is a socket's path, in place of an address and a port. Under `tls`, the files `ca`, `cert` and `key`
        are the authority to trust instead of the system's, and a client's certificate and its key. `token` says who
        calls, and `behalf`, on a unix socket, for whom. All methods raise ConnectionError when there is no server, or
        it is lost.
        """
        if token is not None and not re.fullmatch("[!-~]+", token):
            raise ValueError("a token is one word, of ASCII characters")
        behalf = "".join(char if char.isprintable() and char != " " else "_" for char in behalf.strip())[:NAME_LIMIT]
        self._first = (f"auth {token}\n" if token else "") + (f"as {behalf}\n" if behalf else "")
        self._place = unix or (f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
        self._unix = unix
        self._tls = (ca, cert, key) if (tls or ca or cert or key) and not unix else None
        self._address = address, port
        self._server: socket.socket | None = None
        self._received = bytearray()
        self._numbers = itertools.count(1)
        self._messages: dict[int, collections.deque[dict[str, Any]]] = {}  # about each request that runs

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        if self._server:
            self._server.close()

    def call(self, method: str, *arguments: object, **options: object) -> Any:
        """What a method returns; its parameters go by position or by name. Raises CallError where it fails.

        What it yields before is thrown away; `stream` returns that.
        """
        for _ in (stream := self.stream(method, *arguments, **options)):
            pass
        return stream.result

    def stream(self, method: str, *arguments: object, **options: object) -> Stream:
        """What a method yields, one by one as it comes. Raises CallError where it fails."""
        return Stream(self, method, arguments, options)

    def execute(self, line: str) -> Reply:
        """The output and the status of a command line."""
        return self._reply(self.call("shell.execute", line))

    # What the rest of this file needs too.

    def _connect(self) -> socket.socket:
        """Connect. Raises ConnectionError, which says what was tried and what to do."""
        context = tls_context(*self._tls) if self._tls else None
        try:
            server = self._dial()
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one, as in "a..b"
            remedy = "is it running? start it with: python3 smanager.py"
            if isinstance(error, PermissionError):
                remedy = "the socket's permissions say who may open it"
            raise ConnectionError(f"no SManager answers at {self._place} ({reason(error)}); {remedy}") from error
        if self._first.startswith("auth ") and not (context or self._unix or is_loopback(server.getpeername()[0])):
            server.close()
            raise ConnectionError(f"no token is sent to {self._place}, for anybody on the way could read it; use --tls")
        try:
            if context:
                server = context.wrap_socket(server, server_hostname=self._address[0])
        except (OSError, ValueError) as error:
            remedy = "is that a port for TLS, and does --ca name its authority?"
            raise ConnectionError(f"no TLS with SManager at {self._place} ({reason(error)}); {remedy}") from error
        server.settimeout(None)
        return server

    def _dial(self) -> socket.socket:
        if self._unix:
            server = socket.socket(socket.AF_UNIX)
            server.settimeout(CONNECT_TIMEOUT)
            server.connect(self._unix)
            return server
        server = socket.create_connection(self._address, CONNECT_TIMEOUT)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            if hasattr(socket, option):  # macOS lacks some of them
                server.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return server

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        """Every OSError in the body counts as the loss of the connection."""
        try:
            yield
        except OSError as error:
            remedy = "its log may say why" if self._tls or self._unix else "its log may say why; or does it want --tls?"
            raise ConnectionError(f"lost SManager at {self._place} ({reason(error)}); {remedy}") from error

    def _reply(self, result: object) -> Reply:
        """What `shell.execute` has returned. Raises ConnectionError where an SManager returns no such thing."""
        match result:
            case {"output": str(output), "status": int(status)}:
                return Reply(output, status)
        with self._losing():
            raise ConnectionError(f"its answer {json.dumps(result)[:QUOTE_LIMIT]} is no reply of an SManager")

    def _begin(self, method: str, params: object) -> int:
        """Send a request; returns its number."""
        number = next(self._numbers)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        line = json.dumps(request, allow_nan=False)
        self._messages[number] = collections.deque()  # first, for a signal may come as soon as it is sent
        self._send(line)
        return number

    def _message(self, number: int) -> dict[str, Any]:
        """The next message about a request that runs; those about others are kept for them.

        Raises CallError when too many of those wait, and where the server could not tell which request it answers.
        """
        while not self._messages[number]:
            if sum(map(len, self._messages.values())) >= MOST_WAITING:
                raise CallError(f"{MOST_WAITING} items of other streams wait to be read: read or close those first")
            match self._receive():
                case {"id": None, "error": {"code": int(code), "message": str(message)}}:
                    self._messages.pop(number, None)
                    raise CallError(message, code)
                case ({"method": "$/item", "params": {"id": int(other)}} | {"id": int(other)}) as message:
                    if other in self._messages:  # else it was left
                        self._messages[other].append(message)
        message = self._messages[number].popleft()
        if "method" not in message:
            self._messages.pop(number, None)
        return message

    def _cancel(self, number: int) -> None:
        """Ask for the end of a request; its answer comes then."""
        self._send(json.dumps({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": number}}))

    def _send(self, line: str) -> None:
        first = ""
        if self._server is None:
            self._server, first = self._connect(), self._first
        with self._losing():
            self._server.sendall(f"{first}{line}\n".encode())  # at once, or Nagle's algorithm holds back the second

    def _receive(self) -> dict[str, Any]:
        """The next message. Raises ConnectionError when none comes, or something else."""
        with self._losing():
            answer = self._line()
        with contextlib.suppress(ValueError, RecursionError):  # not JSON, or nested beyond reason
            message: dict[str, Any] = json.loads(answer)
            match message:
                case {"method": str()} | {"id": int() | None}:
                    return message
        text = answer.decode(errors="replace").rstrip()
        if text.startswith(ERROR_MARK):
            raise ConnectionError(f"SManager at {self._place} says: {text.removeprefix(ERROR_MARK)}")
        with self._losing():
            raise ConnectionError(f"its answer {text[:QUOTE_LIMIT]!r} is no reply of an SManager")

    def _line(self) -> bytes:
        """The next line. What has come of it is kept when a signal cuts in: a file's `readline` would lose that."""
        assert self._server
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched >= REPLY_LIMIT:
                raise ConnectionError(f"its reply is longer than {REPLY_LIMIT} bytes")
            data = self._server.recv(CHUNK)
            if not data:
                raise ConnectionError("it closed the connection before it had answered")
            self._received += data
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line


class Stream:
    """What a method yields, then its `result`; who leaves it before its end ends the method too."""

    def __init__(self, client: Client, method: str, arguments: Sequence[object], options: dict[str, object]) -> None:
        if arguments and options:
            raise TypeError("parameters go all by position or all by name")
        self.result: Any = None
        self._client = client
        self._number = client._begin(method, options or list(arguments))

    def __iter__(self) -> Iterator[Any]:
        try:
            while self._number in self._client._messages:
                match self._client._message(self._number):
                    case {"method": "$/item", "params": {"value": value}}:
                        yield value
                    case {"result": result}:
                        self.result = result
                    case {"error": {"code": code, "message": message, **more}}:
                        raise CallError(message, code, more.get("data"))
        except OSError:
            self._client._messages.pop(self._number, None)  # there is nothing to end any more
            raise
        finally:
            self.close()

    def close(self) -> None:
        """End the method, if it still runs."""
        if self._number in self._client._messages:
            with contextlib.suppress(OSError, CallError):
                self._client._cancel(self._number)
                while self._number in self._client._messages:
                    self._client._message(self._number)
            self._client._messages.pop(self._number, None)


def tls_context(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """Who is trusted under TLS, and the client's own certificate. Raises ConnectionError where a file is no such."""
    import ssl  # takes as long as everything else here, so only where it is needed

    try:
        context = ssl.create_default_context(cafile=ca or None)
        if cert or key:
            context.load_cert_chain(cert or key, key or None)
    except OSError as error:
        files = ", ".join(filter(None, [ca, cert, key]))
        remedy = "--ca, --cert and --key name files in PEM, and the key may be in the certificate's"
        raise ConnectionError(f"{files}: {reason(error)}; {remedy}") from error
    return context


def is_loopback(address: str) -> bool:
    """Whether nobody else can listen in on the way there (RFC 6890, 2.2)."""
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def reason(error: Exception) -> str:
    """What the system says about an error, without its number."""
    return getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)


# ---- for scripts

ERROR_MARK = "*** "
ERROR_LINE = re.compile(r"^(\*\*\* .*\n?)", re.MULTILINE)

# What a terminal acts on instead of showing it: controls but tab and newline, the marks that reorder a line
# (Unicode UAX #9), and the surrogates that stand for bytes which were not UTF-8.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def run(
    client: Client, commands: Iterable[str], as_json: bool = False, reports: bool = False, stops: bool = False
) -> int:
    """Run commands one by one over one connection, show what they say, and return the highest status.

    `reports` tells each one's on stderr; `stops` at the first that fails.
    """
    leave_upon_signals()
    worst = 0
    with client:
        for command in commands:
            status = run_one(client, command, as_json)
            if reports:
                write(STDERR, f"[{status}] {command}\n")
            worst = max(worst, status)
            if stops and status:
                break
    return worst


def run_one(client: Client, command: str, as_json: bool) -> int:
    """Run a command, show what it says as it comes, and return its status.

    What ends this program meanwhile, be it Ctrl-C or that nobody reads the output, ends the command there first.
    """
    params = {"line": command, "stream": True, "json": as_json}
    with contextlib.closing(Output()) as output:
        try:
            return show(client, client._begin("shell.execute", params), output)
        except (KeyboardInterrupt, SystemExit):
            signal.signal(signal.SIGALRM, leave)
            signal.setitimer(signal.ITIMER_REAL, CANCEL_SECONDS)
            with contextlib.suppress(OSError, SystemExit):  # the latter is the alarm's
                for number in list(client._messages) if client._server else ():
                    client._cancel(number)
                    show(client, number, output)
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise


def show(client: Client, number: int, output: Output) -> int:
    """Show what a command prints up to its end, and return its status."""
    while True:
        match client._message(number):
            case {"method": _, "params": {"value": str(piece)}}:
                output.write(piece)
            case {"error": {"code": code}} if code == NOT_LOGGED_IN:
                remedy = "give a token, in SMANAGER_TOKEN or with --token-file"
                raise ConnectionError(f"SManager at {client._place} asks who you are: {remedy}")
            case {"error": {"code": code, "message": str(message)}}:
                if code != CANCELLED:  # else the command itself has said so
                    output.write(f"{ERROR_MARK}{message}\n")
                return FAILED
            case message:
                reply = client._reply(message.get("result"))
                output.write(reply)
                return reply.status


class Output:
    """What a command prints, piece by piece: lines that begin with ERROR_MARK go to stderr."""

    def __init__(self) -> None:
        self._held = ""  # the beginning of a line, as long as it may become either
        self._goes_on: int | None = None  # where the line goes that was cut

    def write(self, piece: str) -> None:
        text = self._held + piece
        if self._goes_on is not None:
            rest, newline, text = text.partition("\n")
            write(self._goes_on, rest + newline)
            if not newline:
                return
        last = text.rpartition("\n")[2]
        self._held = last if len(last) < len(ERROR_MARK) and ERROR_MARK.startswith(last) else ""
        for index, part in enumerate(ERROR_LINE.split(text.removesuffix(self._held))):
            write(STDERR if index % 2 else STDOUT, part)  # every other part is an error line
        is_cut = last != self._held
        self._goes_on = (STDERR if last.startswith(ERROR_MARK) else STDOUT) if is_cut else None

    def close(self) -> None:
        """The command has ended."""
        write(STDOUT, self._held)
        self._held = ""


SHELL_WORD = re.compile(r"""\s*((?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)\s""", re.DOTALL)
"""A word of a shell's line that is finished."""


def words_for(line: str) -> int:
    """Print what the last word of a shell's line could be, one to a line; the line begins with this program's name."""
    options = parser()._option_string_actions
    own: list[str] = []  # this program's name, and its options
    end, takes_any = 0, True  # the next word is one of those, however it begins
    while (word := SHELL_WORD.match(line, end)) and (takes_any or (word[1].startswith("-") and own[-1] != "--")):
        own += shlex.split(word[1])
        takes_any = not takes_any and word[1] in options and options[word[1]].nargs is None
        end = word.end()
    rest = line[end:].lstrip()
    matches: Iterable[str] = ()
    if not takes_any and rest.startswith("-") and own[-1] != "--":
        matches = [name for name in options if name.startswith(rest) and options[name].help != argparse.SUPPRESS]
    elif not takes_any:
        with client_for(parser().parse_args(own[1:])) as client:
            matches = client.call("shell.complete", rest)["matches"]
    write(STDOUT, "".join(f"{word}\n" for word in matches))
    return 0


def write(descriptor: int, text: str) -> None:
    """Write a service's text: as it is, or on a terminal with all that the terminal would act on escaped."""
    if os.isatty(descriptor):
        text = UNSAFE.sub(lambda unsafe: ascii(unsafe[0])[1:-1], text.replace("\r\n", "\n"))
    try:
        data = text.encode("utf-8", "surrogateescape")  # bytes that were no UTF-8 become themselves again
    except UnicodeEncodeError:  # JSON may also carry surrogates that never were bytes
        data = text.encode("utf-8", "replace")
    write_bytes(descriptor, data)


def write_bytes(descriptor: int, data: bytes) -> None:
    """Write all of it, past Python's buffers, which would complain of a closed pipe once more at exit.

    Raises SystemExit when nobody reads it any more (quietly), or when it cannot be written.
    """
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BrokenPipeError:
        raise SystemExit(KILLED + signal.SIGPIPE) from None
    except OSError as error:
        raise SystemExit(f"tshell: cannot write the output: {reason(error)}") from None


# ---- for people

IAC, SB, SE = b"\xff", b"\xfa", b"\xf0"
WILL, WONT, DO, DONT = b"\xfb", b"\xfc", b"\xfd", b"\xfe"
ECHO, SGA, TIMING_MARK, TTYPE, NAWS = b"\x01", b"\x03", b"\x06", b"\x18", b"\x1f"
TTYPE_IS, TTYPE_SEND = b"\x00", b"\x01"

SEQUENCE = re.compile(
    rb"""
      (?P<text>           [^\xff]+ )
    | (?P<escaped_iac>    \xff\xff )
    | (?P<negotiation>    \xff (?P<verb> [\xfb-\xfe] ) (?P<option> . ) )
    | (?P<subnegotiation> \xff\xfa (?: [^\xff] | \xff\xff )*+ (?: \xff\xf0 | (?= \xff[^\xff] ) ) )
    | (?P<command>        \xff [^\xfa-\xff] )
    | (?P<unfinished>     \xff .* )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Telnet as RFC 854 and 855 have it; a subnegotiation also ends where another sequence begins within it."""

PASTE_MARKS_ON, PASTE_MARKS_OFF = b"\x1b[?2004h", b"\x1b[?2004l"  # the one mode that SManager sets
LEAVE_KEY = b"\x1d"  # Ctrl-], as in every telnet
LEAVING_SIGNALS = signal.SIGTERM, signal.SIGHUP  # Ctrl-C is a key like any other here


class Telnet:
    """The client's half of the telnet protocol: bytes in, bytes out, and no I/O.

    The server echoes and edits, so what is typed and what is shown passes through as it is.
    """

    # The client speaks first: to a silent one the server would wait a moment before it offers anything.
    OPENING = IAC + WILL + NAWS + IAC + WILL + TTYPE + IAC + DO + ECHO + IAC + DO + SGA
    AGREED = frozenset({DO + NAWS, DO + TTYPE, WILL + ECHO, WILL + SGA})

    def __init__(self, terminal: str, size: os.terminal_size) -> None:
        self._terminal = terminal
        self._size = size
        self.requests: set[bytes] = set()  # those that were met, so that none is answered twice
        self._unfinished = b""
        self.lines_are_edited_here = False
        """Whether the server leaves that to the terminal, as it does where $TERM is `dumb`."""

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes from the server, split anywhere; return the text to show, and what to answer.

        Raises ConnectionError when a sequence does not end within SUBNEGOTIATION_LIMIT bytes.
        """
        text, answers = bytearray(), bytearray()
        data, self._unfinished = self._unfinished + data, b""
        for sequence in SEQUENCE.finditer(data):
            match sequence.lastgroup:
                case "text":
                    text += sequence[0]
                case "escaped_iac":
                    text += IAC
                case "negotiation":
                    answers += self._negotiate(sequence["verb"], sequence["option"])
                case "subnegotiation" if sequence[0] == IAC + SB + TTYPE + TTYPE_SEND + IAC + SE:
                    name = self._terminal.encode("ascii", "replace")
                    answers += IAC + SB + TTYPE + TTYPE_IS + name + IAC + SE
                case "unfinished":
                    self._unfinished = sequence[0]
        if len(self._unfinished) > SUBNEGOTIATION_LIMIT:
            raise ConnectionError(f"it sent a telnet sequence of more than {SUBNEGOTIATION_LIMIT} bytes")
        return bytes(text), bytes(answers)

    def _negotiate(self, verb: bytes, option: bytes) -> bytes:
        request = verb + option
        if request == DO + TIMING_MARK:  # a mark in the stream, not a state: each is waited for (RFC 860)
            return IAC + WONT + TIMING_MARK
        # Only what is new gets an answer, or two ends could answer each other for ever (RFC 1143). DONT and
        # WONT only decline what OPENING offered; SManager takes back one thing that it has agreed to, its echo.
        if request == WONT + ECHO:
            self.lines_are_edited_here = True
        if request in self.requests or verb in (DONT, WONT):
            return b""
        self.requests.add(request)
        if request not in self.AGREED:
            return IAC + (WONT if verb == DO else DONT) + option
        return self.resize(self._size) if option == NAWS else b""

    def resize(self, size: os.terminal_size) -> bytes:
        """Return what tells the server the window's size (RFC 1073): nothing before it asked."""
        self._size = size
        if DO + NAWS not in self.requests:
            return b""
        return IAC + SB + NAWS + struct.pack("!HH", *size).replace(IAC, IAC + IAC) + IAC + SE

    @staticmethod
    def typed(keys: bytes) -> bytes:
        """Return keys as they go on the wire: a bare CR has no place in telnet (RFC 854)."""
        return keys.replace(IAC, IAC + IAC).replace(b"\r", b"\r\0")


def terminal_type() -> str:
    """What the server is told: under NO_COLOR (https://no-color.org) a terminal that has none."""
    name = os.environ.get("TERM") or "vt100"
    return "vt100" if os.environ.get("NO_COLOR") and name != "dumb" else name


def interact(client: Client) -> None:
    """Open a session on the terminal."""
    with client._connect() as server, client._losing():
        write(STDOUT, f"Connected to {client._place}; Ctrl-] leaves.\n")
        join(server, client._first.encode())


def join(server: socket.socket, first: bytes) -> None:
    """Join the terminal to the server, until one of them closes or Ctrl-] is typed; `first` goes before all else."""
    telnet = Telnet(terminal_type(), os.get_terminal_size(STDIN))
    outgoing = bytearray(first + telnet.OPENING)
    shown, paste_marks = b"\n", False
    server.setblocking(False)  # a server that does not read must not keep anybody from leaving
    waits = not_yet(server)
    decrypted: Callable[[], int] = getattr(server, "pending", lambda: 0)  # bytes that select does not see
    with signals() as signalled, raw_terminal() as restore:
        try:
            while True:
                sources: list[int | socket.socket] = [server, signalled]
                if len(outgoing) < OUTGOING_LIMIT:
                    sources.append(STDIN)
                writing = [server] if outgoing else []
                readable, writable, _ = select.select(sources, writing, [], 0 if decrypted() else None)
                if signalled in readable:
                    signalled.recv(CHUNK)
                    outgoing += telnet.resize(os.get_terminal_size(STDIN))
                if server in readable or decrypted():
                    data = None
                    with contextlib.suppress(*waits):
                        data = server.recv(CHUNK)
                    if data == b"":
                        if not telnet.requests:  # then it has said why, or it is none of ours
                            raise ConnectionError("it closed the connection at once")
                        return
                    text, answers = telnet.receive(data or b"")
                    if len(outgoing) < OUTGOING_LIMIT:  # a server that only asks, and never reads, gets no more
                        outgoing += answers
                    write_bytes(STDOUT, text)
                    if telnet.lines_are_edited_here:
                        restore()
                    shown = shown[-len(PASTE_MARKS_ON) :] + text  # what was split is seen whole
                    paste_marks = paste_marks or PASTE_MARKS_ON in shown
                if STDIN in readable:
                    keys = os.read(STDIN, CHUNK)
                    if not keys or LEAVE_KEY in keys:
                        return
                    outgoing += telnet.typed(keys)
                if writable:
                    with contextlib.suppress(*waits):
                        del outgoing[: server.send(outgoing)]
        finally:
            # The server cannot take its mode back any more, and what comes next begins a line of its own.
            last = (PASTE_MARKS_OFF if paste_marks else b"") + (b"\r" if shown.endswith(b"\n") else b"\r\n")
            with contextlib.suppress(OSError):  # a terminal that was hung up
                os.write(STDOUT, last)


def not_yet(server: socket.socket) -> tuple[type[OSError], ...]:
    """What is raised where a transfer has to wait: a record of TLS comes and goes whole."""
    if not hasattr(server, "pending"):
        return (BlockingIOError,)
    import ssl

    return ssl.SSLWantReadError, ssl.SSLWantWriteError


@contextlib.contextmanager
def raw_terminal() -> Iterator[Callable[[], None]]:
    """Pass every key on as it is typed, and echo none; the terminal is as before on every way out.

    Yields what brings that back early.
    """
    before = termios.tcgetattr(STDIN)

    def restore() -> None:
        with contextlib.suppress(termios.error):  # a terminal that was hung up
            termios.tcsetattr(STDIN, termios.TCSANOW, before)

    # Now, rather than when all output has gone: a terminal that is stuck or gone would never let go.
    try:
        tty.setraw(STDIN, termios.TCSANOW)
        yield restore
    finally:
        restore()


@contextlib.contextmanager
def signals() -> Iterator[socket.socket]:
    """Let signals end the program in order, and make a socket readable when one came: a resize is one."""
    readable, wakeup = socket.socketpair()
    with readable, wakeup:
        wakeup.setblocking(False)
        # Also for those that leave: one that comes just before `select` would else wait for the next key.
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
        leave_upon_signals()
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(-1)


def leave_upon_signals() -> None:
    """Let signals end the program in order."""
    for number in LEAVING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, leave)


def leave(number: int, _frame: object) -> None:
    """End the program; the signals that often come in pairs may not cut short its way out."""
    for leaving in LEAVING_SIGNALS:
        signal.signal(leaving, signal.SIG_IGN)
    raise SystemExit(KILLED + number)


# ---- the command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client with the given arguments, else those of the command line; return its exit status."""
    options = parser().parse_args(arguments)
    words: list[str] = options.command[options.command[:1] == ["--"] :]
    if options.complete:
        write(STDOUT, COMPLETIONS[options.complete])
        return 0
    try:
        return words_for(options.words) if options.words is not None else serve(client_for(options), options, words)
    except (CallError, OSError) as error:
        write(STDERR, f"tshell: {error}\n")
        return FAILED if isinstance(error, CallError) else NO_SERVER
    except KeyboardInterrupt:
        return KILLED + signal.SIGINT


def client_for(options: argparse.Namespace) -> Client:
    """The connection that the options ask for, else the environment."""
    environment = os.environ.get
    is_tcp = any((options.host, options.port, options.tls, options.ca, options.cert, options.key))
    if options.unix and is_tcp:
        parser().error("--unix is a place of its own: say it without -H, -p and --tls")
    try:
        return Client(
            options.host or environment("SMANAGER_HOST") or HOST,
            options.port or port_number(environment("SMANAGER_PORT") or PORT),
            unix=options.unix or ("" if is_tcp else environment("SMANAGER_UNIX", "")),
            tls=options.tls or environment("SMANAGER_TLS", "0") not in ("", "0"),
            ca=options.ca,
            cert=options.cert,
            key=options.key,
            token=token_for(options),
            behalf=ssh_user() if options.ssh else "",
        )
    except (ValueError, argparse.ArgumentTypeError) as error:
        parser().error(str(error))


def token_for(options: argparse.Namespace) -> str | None:
    """The token, from the environment or a file. Raises ConnectionError where others could know what the file holds."""
    path = options.token_file
    if not path and (token := os.environ.get("SMANAGER_TOKEN")):
        return token
    if not (path := path or os.environ.get("SMANAGER_TOKEN_FILE")):
        return None
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), errors="replace") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.geteuid():
                raise PermissionError("others may read it, or it is none of yours")
            return file.read(CHUNK).strip()
    except FileNotFoundError:
        raise ConnectionError(f"{path}: there is no such file; it would hold a token") from None
    except OSError as error:
        remedy = f"a token's file is a regular one of yours, with mode 0600: chmod 600 {path}"
        raise ConnectionError(f"{path}: {reason(error)}; {remedy}") from error


def ssh_user() -> str:
    """For whom sshd has started this: a name, and the address that it came from, as far as sshd tells them."""
    address = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    name = os.environ.get("SMANAGER_USER") or key_name()
    return f"{name[: NAME_LIMIT - len(address) - 2]}[{address}]" if address else name


def key_name() -> str:
    """The comment of the key that was used, or its fingerprint, where sshd tells which one was (ExposeAuthInfo)."""
    from pathlib import Path  # seldom needed, and slow to import

    told = known = ""
    with contextlib.suppress(OSError):
        told = Path(os.environ.get("SSH_USER_AUTH", "")).read_text(errors="replace")
        known = Path("~/.ssh/authorized_keys").expanduser().read_text(errors="replace")
    for key in re.findall(r"^publickey (\S+ \S+)$", told, re.MULTILINE):
        words = re.escape(key).replace("\\ ", r"[ \t]+")
        if line := re.search(rf"^(?![ \t]*#)(?:.*[ \t])?{words}[ \t]+(\S.*)$", known, re.MULTILINE):
            return line[1].strip()
        return fingerprint(key.split()[1])
    return ""


def fingerprint(key: str) -> str:
    """What `ssh-keygen -l` calls a key; nothing where it is none."""
    import base64  # as above
    import hashlib

    with contextlib.suppress(ValueError):
        digest = hashlib.sha256(base64.b64decode(key)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
    return ""


def serve(client: Client, options: argparse.Namespace, words: Sequence[str]) -> int:
    """Run the command that the words are; without one open a session, or take commands from stdin."""
    if options.ssh and (line := os.environ.get("SSH_ORIGINAL_COMMAND")):
        return run(client, [line], options.json)
    reports = words == ["-"]
    if words and not reports:
        return run(client, [words[0] if len(words) == 1 else shlex.join(words)], options.json)
    if os.isatty(STDIN) and not reports:
        interact(client)
        return 0
    with open(STDIN, encoding="utf-8", errors="surrogateescape", closefd=False) as script:
        commands = (line for line in map(str.strip, script) if line and not line.startswith("#"))
        return run(client, commands, options.json, reports, options.stop)


def parser() -> argparse.ArgumentParser:
    """The options, which come before the command's words: what follows the first word is the command's."""
    parser = argparse.ArgumentParser(
        prog="tshell",
        allow_abbrev=False,
        description="Talk to SManager: give a command and leave, or, without one, open a session.",
        epilog="A single WORD is a whole command line. Exit status: 0 done, 1 failed, 2 unknown command or "
        "wrong arguments, 3 no server, or not let in. SMANAGER_HOST, _PORT, _UNIX, _TLS=1, _TOKEN_FILE and "
        "SMANAGER_TOKEN, a token itself, change the defaults.",
    )
    add = parser.add_argument
    add("-H", "--host", help=f"where SManager runs ({HOST})")
    add("-p", "--port", type=port_number, help=f"the port it listens on ({PORT})")
    add("--unix", metavar="PATH", help="the unix socket it listens on, instead of those")
    add("--tls", action="store_true", help="speak TLS, and check its certificate")
    add("--ca", default="", metavar="FILE", help="the authority of that, instead of the system's")
    add("--cert", default="", metavar="FILE", help="a certificate that says who you are")
    add("--key", default="", metavar="FILE", help="its key")
    add("--token-file", metavar="FILE", help="a token to log in with, in a file that only you may read")
    add("--ssh", action="store_true", help="for sshd's forced commands: the command is $SSH_ORIGINAL_COMMAND")
    add("-e", "--stop", action="store_true", help="of several commands, run none after the first that fails")
    add("--json", action="store_true", help="answers in JSON, as with `--json` behind each command")
    add("--complete", choices=COMPLETIONS, help="print a completion script for this shell")
    add("--words", metavar="LINE", help=argparse.SUPPRESS)
    add("command", nargs=argparse.REMAINDER, metavar="WORD", help="the command; else those on stdin, as with `-`")
    return parser


def port_number(text: str) -> int:
    """Read a port; raises ArgumentTypeError."""
    if not (text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"-p or SMANAGER_PORT is {text!r}, not a number from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
