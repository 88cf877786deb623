#!/usr/bin/env python3
"""The SManager client: a terminal for people, commands with an exit status for scripts, a library for programs.

    tshell.py                           an interactive session; Ctrl-] leaves
    tshell.py systemstatus uptime       one command: prints its output, exits with its status
    tshell.py < commands                several commands, one per line; exits with the highest status
    tshell.py -                         the same, reporting each status on stderr; -e stops at the first failure
    tshell.py --complete bash           a completion script, which asks the server for the words
    tshell.py --fleet HUB               the boxes of a fleet, by way of their hub
    tshell.py --mcp                     the commands as tools of an assistant, by the Model Context Protocol

A program imports `Client`, or `smanager_cmd` for a single command. This file needs only Python 3.11 and can be
copied alone. Its sections: the client, the terminal, MCP, the command line.
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
import time
import tty

match sys.version_info:  # tshell needs Python 3.11 or newer; before 3.10, this line is the error that says so
    case version if version < (3, 11):
        sys.exit(f"tshell needs Python 3.11 or newer, and this is Python {version[0]}.{version[1]}")

__version__ = "0.1.0"  # as in smanager/__init__.py: this file may be alone

TYPE_CHECKING = False  # importing typing for its constant would cost a tenth of the start-up time
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

# ---- The client: connections, requests, streams

HOST, PORT = "127.0.0.1", 10000
CONNECT_TIMEOUT = 5.0  # seconds for each address of a name: a lost SYN is resent after 1 s and again after 3 s
# A command may run long, so a reply has no deadline; keepalive detects a vanished server in 2 minutes.
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}

CHUNK = 64 * 1024  # bytes per read: what a pipe or a socket usually holds
REPLY_LIMIT = 64 * 1024 * 1024  # bytes of one reply: more than any page or log extract, less than a small box's memory
QUOTE_LIMIT = 60  # bytes of an unexpected answer that its error message quotes
UNREAD_LIMIT = 200_000  # items kept for streams while another is read: more than can be in flight at once
NAME_LIMIT = 64  # characters of a requester's name that the audit journal keeps

CANCELLED, NOT_LOGGED_IN = -32800, -32002  # error codes of answers
FAILED = 1  # the status of a failed command; 2 means unknown command or wrong arguments
ERROR_MARK = "*** "  # begins a line that says what went wrong


class Reply(str):
    """A command's output as text, and its exit `status`: 0 done, 1 failed, 2 unknown or wrong arguments."""

    status: int

    def __new__(cls, output: str, status: int = 0) -> Reply:
        reply = super().__new__(cls, output)
        reply.status = status
        return reply


class CallError(Exception):
    """A failed call. The text says why, `code` is JSON-RPC's, `data` may hold the exception's type and message."""

    def __init__(self, message: str, code: int = 0, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def smanager_cmd(address: str, port: int, command: str) -> Reply:
    """Run one command line; return its output, where a line that begins with `*** ` gives the reason of a failure.

    Raises ConnectionError, with a sentence fit for people, if no SManager answers or the connection is lost.
    """
    with Client(address, port) as client:
        try:
            return client.execute(command)
        except CallError as error:
            return Reply(f"{ERROR_MARK}{error}\n", FAILED)


class Client:
    """A connection to an SManager, for programs; use it in a `with` statement and from one thread at a time.

    Calls may be made while streams are being read: the streams' items wait until they are read.
    """

    send_timeout: float | None = None  # seconds that the server may leave a request unread; None: for ever

    def __init__(
        self,
        address: str = HOST,
        port: int = PORT,
        *,
        unix: str = "",
        tls: bool = False,
        ca: str = "",
        cert: str = "",
        key: str = "",
        token: str | None = None,
        behalf: str = "",
    ) -> None:
        """Prepare a connection; it opens at the first call, since the server takes a silent client for a person.

        `unix` is a socket's path and replaces address and port. The files `ca`, `cert` and `key` imply `tls`: the
        authority to trust instead of the system's, and the client's certificate with its key. `token` logs in;
        `behalf` names the requester, on a unix socket. Raises ValueError if the token is malformed. All methods raise
        ConnectionError if no SManager answers or the connection is lost.
        """
        if token is not None and not re.fullmatch("[!-~]+", token):
            raise ValueError("a token should be one word of ASCII characters")
        behalf = "".join(char if char.isprintable() and char != " " else "_" for char in behalf.strip())[:NAME_LIMIT]
        self.login = (f"auth {token}\n" if token else "") + (f"as {behalf}\n" if behalf else "")
        self.name = unix or (f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
        self._address = address, port
        self._unix = unix
        self._tls_files = (ca, cert, key) if (tls or ca or cert or key) and not unix else None
        self._server: socket.socket | None = None
        self._received = bytearray()
        self._numbers = itertools.count(1)
        self.running: dict[int, collections.deque[dict[str, Any]]] = {}  # each request's unread messages

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, which ends all requests; the next call opens another one."""
        if self._server:
            self._server.close()
        self._server = None
        self._received.clear()
        self.running.clear()

    def call(self, method: str, *arguments: object, **options: object) -> Any:
        """Call a method, with parameters by position or by name; return its result. Raises CallError if it fails."""
        for _ in (stream := self.stream(method, *arguments, **options)):
            pass  # a caller who wants the items uses `stream`
        return stream.result

    def stream(self, method: str, *arguments: object, **options: object) -> Stream:
        """Call a method; return an iterable of the items that it yields, which raises CallError if the method fails."""
        if arguments and options:
            raise TypeError("pass parameters all by position or all by name")
        return Stream(self, method, options or list(arguments))

    def execute(self, line: str) -> Reply:
        """Run a command line; return its output and status."""
        return self.reply(self.call("shell.execute", line))

    # One level below, for streams and the command line: a request runs until its answer has been read.

    def begin(self, method: str, params: object) -> int:
        """Send a request; return its number."""
        number = next(self._numbers)
        line = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, allow_nan=False) + "\n"
        if not self._server:
            self._server = self.connect()
            line = self.login + line  # in one write, or Nagle's algorithm delays the second
        self.running[number] = collections.deque()  # before sending: a signal may interrupt right after
        self._send(line)
        return number

    def next_message(self, number: int) -> dict[str, Any]:
        """Return a running request's next message, an item or the answer; keep other requests' messages for them.

        Raises CallError if too many of those are unread, or if the server reports an error without a request.
        """
        while not self.running[number]:
            if sum(map(len, self.running.values())) >= UNREAD_LIMIT:
                raise CallError(f"{UNREAD_LIMIT} items of other streams are unread; read or close those first")
            try:
                self._receive()
            except (OSError, CallError):
                del self.running[number]
                raise
        message = self.running[number].popleft()
        if "method" not in message:
            del self.running[number]
        return message

    @property
    def server(self) -> socket.socket | None:
        """The open connection, to wait for messages beside other things."""
        return self._server

    def messages(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read what has come, without waiting; yield the complete messages, each with its request's number.

        Raises CallError if the server reports an error without a request.
        """
        assert self._server
        self._server.settimeout(0)  # a TLS connection also becomes readable by records that carry no data
        try:
            data = self._read()
        finally:
            self._server.settimeout(self.send_timeout)
        if b"\n" not in data:
            return
        while b"\n" in self._received:
            self._receive()
        for number in [number for number, unread in self.running.items() if unread]:
            while self.running.get(number):
                yield number, self.next_message(number)

    def cancel(self, number: int) -> None:
        """Ask the server to end a request; its answer follows."""
        self._send(json.dumps({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": number}}) + "\n")

    def reply(self, result: object) -> Reply:
        """Convert the result of `shell.execute`. Raises ConnectionError if it is not one."""
        match result:
            case {"output": str(output), "status": int(status)}:
                return Reply(output, status)
        raise self.lost(f"its answer {json.dumps(result)[:QUOTE_LIMIT]} is not an SManager reply")

    # Below that, also for sessions: the connection.

    def connect(self) -> socket.socket:
        """Connect. Raises ConnectionError, which says what was tried and what to do."""
        context = tls_context(*self._tls_files) if self._tls_files else None
        try:
            server = self._dial()
        except (OSError, UnicodeError) as error:  # UnicodeError: an impossible host name, such as "a..b"
            remedy = "is it running? start it with: python3 smanager.py"
            if isinstance(error, PermissionError):
                remedy = "the socket's permissions decide who may open it"
            raise ConnectionError(f"no SManager answers at {self.name} ({reason(error)}); {remedy}") from error
        if self.login.startswith("auth ") and not (context or self._unix or is_loopback(server.getpeername()[0])):
            server.close()
            raise ConnectionError(f"a token would be readable on its way to {self.name}; use --tls")
        try:
            if context:
                server = context.wrap_socket(server, server_hostname=self._address[0])
        except (OSError, ValueError) as error:
            problem = f"no TLS with SManager at {self.name} ({reason(error)}); {tls_remedy(error)}"
            raise ConnectionError(problem) from error
        server.settimeout(self.send_timeout)
        return server

    def lost(self, why: str) -> ConnectionError:
        """The error to raise when the connection is lost, or the server is not an SManager."""
        hint = "" if self._tls_files or self._unix else "; does it need --tls, or its `allow` keep you out?"
        return ConnectionError(f"lost SManager at {self.name} ({why}); its log may say why{hint}")

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

    def _send(self, line: str) -> None:
        assert self._server
        try:
            self._server.sendall(line.encode())
        except OSError as error:
            raise self.lost(reason(error)) from error

    def _receive(self) -> None:
        line = self._receive_line()
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):  # not JSON, or nested too deeply
            message = None
        match message:
            case {"id": None, "error": {"code": int(code), "message": str(text)}}:
                raise CallError(text, code)
            case {"method": str(), "params": {"id": int(number)}} | {"id": int(number)}:
                if number in self.running:  # else its reader has left
                    self.running[number].append(message)
            case {"method": str()}:
                pass  # a notification that this client does not know
            case _:
                text = line.decode(errors="replace").rstrip()
                if text.startswith(ERROR_MARK):
                    raise ConnectionError(f"SManager at {self.name} says: {text.removeprefix(ERROR_MARK)}")
                raise self.lost(f"its answer {text[:QUOTE_LIMIT]!r} is not an SManager reply")

    def _receive_line(self) -> bytes:
        """Return the next line. An interrupted read loses nothing, unlike a file's `readline`."""
        data: bytes | bytearray = self._received
        while b"\n" not in data:
            data = self._read()
        end = self._received.index(b"\n")
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _read(self) -> bytes:
        """Read once; keep and return what has come, which is nothing if the socket does not wait."""
        assert self._server
        if len(self._received) >= REPLY_LIMIT:
            raise self.lost(f"its reply is longer than {REPLY_LIMIT} bytes")
        try:
            data = self._server.recv(CHUNK)  # a whole TLS record: none of it is left where `select` does not see it
        except not_ready(self._server):
            return b""
        except OSError as error:
            raise self.lost(reason(error)) from error
        if not data:
            raise self.lost("it closed the connection before answering")
        self._received += data
        return data


class Stream:
    """The items that a method yields, then its `result`. Leaving the stream early ends the method."""

    def __init__(self, client: Client, method: str, params: object) -> None:
        self.result: Any = None
        self._client = client
        self._number = client.begin(method, params)

    def __iter__(self) -> Iterator[Any]:
        try:
            while self._number in self._client.running:
                match self._client.next_message(self._number):
                    case {"method": "$/item", "params": {"value": value}}:
                        yield value
                    case {"result": result}:
                        self.result = result
                    case {"error": {"code": code, "message": message, **more}}:
                        raise CallError(message, code, more.get("data"))
        finally:
            self.close()

    def close(self) -> None:
        """End the method if it is still running, and discard its items."""
        running = self._client.running
        with contextlib.suppress(OSError, CallError):
            if self._number in running:
                self._client.cancel(self._number)
            while self._number in running:  # a server whose items are not read does not read the cancellation
                self._client.next_message(self._number)
        running.pop(self._number, None)


def not_ready(server: socket.socket) -> tuple[type[OSError], ...]:
    """What a transfer that would have to wait raises, if the socket does not wait."""
    if not hasattr(server, "pending"):
        return (BlockingIOError,)
    import ssl

    return ssl.SSLWantReadError, ssl.SSLWantWriteError


def tls_context(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """Load the authority to trust and the client's certificate. Raises ConnectionError if a file is unusable."""
    import ssl  # takes as long as all other imports together: only when needed

    try:
        context = ssl.create_default_context(cafile=ca or None)
        if cert or key:
            context.load_cert_chain(cert or key, key or None)
    except OSError as error:
        files = ", ".join(filter(None, [ca, cert, key]))
        remedy = "--ca, --cert and --key should name PEM files; --cert's file may hold the key too"
        raise ConnectionError(f"{files}: {reason(error)}; {remedy}") from error
    return context


def tls_remedy(error: Exception) -> str:
    """What may be right after an error in a TLS handshake."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return "--ca should name its authority, and -H a name that is in its certificate"
    if isinstance(error, ConnectionError | ssl.SSLEOFError):  # it has hung up without a word
        return "does that port speak TLS, and does its `allow` let this machine in? its log may say why"
    return "does that port speak TLS?"


def login_required(name: str) -> str:
    return f"SManager at {name} requires a login; give a token in SMANAGER_TOKEN or with --token-file"


def is_loopback(address: str) -> bool:
    """Whether connections to an address stay on this machine (RFC 6890, 2.2)."""
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def reason(error: Exception) -> str:
    """An error in the system's words, without its number."""
    return getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)


# ---- The terminal: output made safe, telnet, an interactive session

STDIN, STDOUT, STDERR = 0, 1, 2
BLANKS = " \t\r\n"  # as SManager separates words; other blanks are letters of them
KILLED = 128  # plus a signal's number: the exit status that shells give a program ended by that signal
LEAVING_SIGNALS = signal.SIGTERM, signal.SIGHUP  # in a session, Ctrl-C is a key like any other

# Characters that a terminal would obey rather than show: controls except tab and newline, the marks that reorder a
# line (Unicode UAX #9), and the surrogates that stand for bytes outside UTF-8.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

IAC, SB, SE = b"\xff", b"\xfa", b"\xf0"
WILL, WONT, DO, DONT = b"\xfb", b"\xfc", b"\xfd", b"\xfe"
ECHO, SGA, TIMING_MARK, TTYPE, NAWS = b"\x01", b"\x03", b"\x06", b"\x18", b"\x1f"
TTYPE_IS, TTYPE_SEND = b"\x00", b"\x01"

# Telnet as in RFC 854 and 855; a subnegotiation also ends where another sequence begins within it.
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

SUBNEGOTIATION_LIMIT = 256  # bytes of an unfinished telnet sequence; the one that SManager sends has 6
OUTGOING_LIMIT = 64 * 1024  # bytes kept for a server that does not read, before the keyboard has to wait
LEAVE_KEY = b"\x1d"  # Ctrl-], as in every telnet
PASTE_MARKS_ON, PASTE_MARKS_OFF = b"\x1b[?2004h", b"\x1b[?2004l"  # the only terminal mode that SManager sets


class ClosedPipe(SystemExit):
    """The output has no reader any more."""


def write(descriptor: int, text: str) -> None:
    """Write a service's text; on a terminal, escape everything that the terminal would obey."""
    if os.isatty(descriptor):
        text = UNSAFE.sub(lambda unsafe: ascii(unsafe[0])[1:-1], text.replace("\r\n", "\n"))
    try:
        data = text.encode("utf-8", "surrogateescape")  # surrogates become the non-UTF-8 bytes that they stand for
    except UnicodeEncodeError:  # JSON may also carry surrogates that never were bytes
        data = text.encode("utf-8", "replace")
    write_bytes(descriptor, data)


def write_bytes(descriptor: int, data: bytes) -> None:
    """Write all the data. Raises SystemExit: silently if the pipe is closed, with a message if writing fails."""
    rest = memoryview(data)  # not through Python's buffers, which would complain about a closed pipe again at exit
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BrokenPipeError:
        raise ClosedPipe(KILLED + signal.SIGPIPE) from None
    except OSError as error:
        raise SystemExit(f"tshell: cannot write the output: {reason(error)}") from None


def leave_upon_signals() -> None:
    for number in LEAVING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, leave)


def leave(number: int, _frame: object) -> None:
    """End the program; the leaving signals often come in pairs, so ignore a second one on the way out."""
    for leaving in LEAVING_SIGNALS:
        signal.signal(leaving, signal.SIG_IGN)
    raise SystemExit(KILLED + number)


@contextlib.contextmanager
def for_at_most(seconds: float) -> Iterator[None]:
    """Give up what a `with` statement does when it has taken so long, the connection is lost, or a signal comes."""
    signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    with contextlib.suppress(OSError, SystemExit):  # SystemExit: the alarm's
        yield
    signal.setitimer(signal.ITIMER_REAL, 0)


class Interaction:
    """Joins the terminal to a telnet server until the server closes the connection or the user types Ctrl-]."""

    def __init__(self, client: Client, server: socket.socket) -> None:
        self._client = client
        self._server = server
        self._terminal_before = termios.tcgetattr(STDIN)
        terminal = os.environ.get("TERM") or "vt100"
        if os.environ.get("NO_COLOR") and terminal != "dumb":
            terminal = "vt100"  # it has no colours (https://no-color.org)
        self._telnet = Telnet(terminal, os.get_terminal_size(STDIN))
        self._outgoing = bytearray(client.login.encode() + self._telnet.OPENING)
        self._shown = b"\n"  # the end of the output
        self._paste_marks = False  # whether the server has set that mode
        self._not_ready = not_ready(server)
        server.setblocking(False)  # a server that does not read must not keep the user from leaving
        self._signalled, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        # For the leaving signals too: one just before `select` would otherwise wait for the next key.
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGWINCH, lambda _number, _frame: None)

    def run(self) -> None:
        """Pass keys and output on. Raises ConnectionError if the connection is lost."""
        write(STDOUT, f"Connected to {self._client.name}; Ctrl-] leaves.\n")
        try:
            tty.setraw(STDIN, termios.TCSANOW)
            while self._turn():
                pass
        except OSError as error:
            raise self._client.lost(reason(error)) from error
        finally:
            # The server can no longer reset its mode, and the next prompt needs a line of its own.
            last = PASTE_MARKS_OFF * self._paste_marks + (b"\r" if self._shown.endswith(b"\n") else b"\r\n")
            with contextlib.suppress(OSError):  # the terminal may have been hung up
                try:
                    os.write(STDOUT, last)
                finally:
                    self._restore_terminal()

    def _restore_terminal(self) -> None:
        with contextlib.suppress(termios.error):  # the terminal may have been hung up
            # TCSANOW: waiting for pending output would hang on a terminal that is stuck or gone.
            termios.tcsetattr(STDIN, termios.TCSANOW, self._terminal_before)

    def _turn(self) -> bool:
        """Wait for events and handle them; return whether the session continues."""
        server = self._server.fileno()
        keyboard = [STDIN] if len(self._outgoing) < OUTGOING_LIMIT else []
        sinks = [server] if self._outgoing else []
        readable, writable, _ = select.select([server, self._signalled, *keyboard], sinks, [])
        if self._signalled in readable:
            os.read(self._signalled, CHUNK)
            self._outgoing += self._telnet.resize(os.get_terminal_size(STDIN))
        if server in readable and not self._show_output():
            return False
        if self._telnet.lines_are_edited_here:
            self._restore_terminal()
        if STDIN in readable:
            keys = os.read(STDIN, CHUNK)
            if not keys or LEAVE_KEY in keys:
                return False
            self._outgoing += keys.replace(IAC, IAC + IAC).replace(b"\r", b"\r\0")  # no bare CR (RFC 854)
        if writable:
            with contextlib.suppress(*self._not_ready):
                del self._outgoing[: self._server.send(self._outgoing)]
        return True

    def _show_output(self) -> bool:
        """Show what the server sent; return False if it closed the connection."""
        try:
            data = self._server.recv(CHUNK)  # a whole TLS record: none of it is left where select does not see it
        except self._not_ready:
            return True
        if not data and not self._telnet.requests:  # it has said why, or is not an SManager
            raise ConnectionError("it closed the connection at once")
        text, answers = self._telnet.receive(data)
        if len(self._outgoing) < OUTGOING_LIMIT:  # a server that only asks and never reads gets no more answers
            self._outgoing += answers
        write_bytes(STDOUT, text)
        self._shown = self._shown[-len(PASTE_MARKS_ON) :] + text  # joins a mark that came in two pieces
        self._paste_marks = self._paste_marks or PASTE_MARKS_ON in self._shown
        return bool(data)


class Telnet:
    """The client's half of telnet, without I/O. The server echoes and edits: keys and output pass through unchanged."""

    # The client speaks first: before making its offers, the server waits a moment for a silent client.
    OPENING = IAC + WILL + NAWS + IAC + WILL + TTYPE + IAC + DO + ECHO + IAC + DO + SGA
    AGREED = frozenset({DO + NAWS, DO + TTYPE, WILL + ECHO, WILL + SGA})

    def __init__(self, terminal: str, size: os.terminal_size) -> None:
        self._terminal = terminal
        self._size = size
        self._unfinished = b""
        self.requests: set[bytes] = set()  # all received so far, so that none is answered twice
        self.lines_are_edited_here = False
        """Whether the server leaves editing to the terminal, as it does when $TERM is `dumb`."""

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes from the server, split anywhere; return the text to show and the answers to send.

        Raises ConnectionError if a sequence does not end within SUBNEGOTIATION_LIMIT bytes.
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
        if request == DO + TIMING_MARK:  # a mark in the stream, not a state: answer every one (RFC 860)
            return IAC + WONT + TIMING_MARK
        # Answer only what is new, or two ends could answer each other for ever (RFC 1143). DONT and WONT only
        # decline what OPENING offered; the one agreement that SManager takes back is its echo.
        if request == WONT + ECHO:
            self.lines_are_edited_here = True
        if request in self.requests or verb in (DONT, WONT):
            return b""
        self.requests.add(request)
        if request not in self.AGREED:
            return IAC + (WONT if verb == DO else DONT) + option
        return self.resize(self._size) if option == NAWS else b""

    def resize(self, size: os.terminal_size) -> bytes:
        """Return the message that tells the server the window's size (RFC 1073); empty until the server asks."""
        self._size = size
        if DO + NAWS not in self.requests:
            return b""
        return IAC + SB + NAWS + struct.pack("!HH", *size).replace(IAC, IAC + IAC) + IAC + SE


# ---- MCP: the commands as tools of an assistant (https://modelcontextprotocol.io/specification)

HANDSHAKE_REVISIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")  # begin with `initialize`; newest first
STATELESS_REVISIONS = ("2026-07-28",)  # each request names its revision
META = "io.modelcontextprotocol/"  # begins the protocol's own keys of `_meta`

CLIENT_LINE_LIMIT = 1024 * 1024  # bytes of a message: as many as SManager takes in a request
CALL_LIMIT = CLIENT_LINE_LIMIT - 1024  # bytes of a tool's name and arguments: the rest of the request needs some too
BRACKETS_LIMIT = 50_000  # `[` and `{` of a call: as many as SManager takes in a request
NESTING_LIMIT = 100  # levels of lists and objects in arguments: Python decodes some 900
RESULT_LIMIT = 100_000  # characters of a result: more would fill an assistant's context
NOTICE_LIMIT = 1000  # characters of an item that a progress notification shows
CALLS_LIMIT = 64  # calls and lists at a time: SManager runs as many for a connection, and others would wait
SUBSCRIPTIONS_LIMIT = 64  # more than a client has use for
ENDLESS_SECONDS = 30.0  # after which an endless stream is ended: clients give up on a call after 60 s
PROGRESS_SECONDS = 0.1  # between a call's progress notifications: a person sees no more
LOOK_SECONDS = 10.0  # between checks for tools that have come or gone
SEND_SECONDS = 5.0  # how long SManager may leave a request unread
LAST_SECONDS = 1.0  # how long calls may still take once the client has closed stdin: it waits 2 s itself

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
UNSUPPORTED_REVISION = -32022

FULL = f"{CALLS_LIMIT} requests are running; wait for one of them, or cancel it"

UNCACHED: dict[str, object] = {"ttlMs": 0, "cacheScope": "private"}
"""How long a stateless client may keep an answer: the tools depend on the caller, and services come and go."""

NO_TOOLS = ("rpc.discover", "shell.complete", "shell.execute", "watch")
"""Methods that are not offered: a client asks its user tool by tool, and what runs any line would stand for all."""

UNSPEAKABLE = re.compile(r"[^A-Za-z0-9_]")
SPELLED = re.compile(r"--([0-9a-f]{1,6})-|-")


def tool_name(method: str) -> str:
    """A method's name in the characters that all clients take, `A-Z a-z 0-9 _ -`: `web-1.uptime` is `web_1-uptime`.

    In SManager's names `-` and `_` are one, so `-` is free to stand for the dot; `--f6-` is the letter U+F6.
    """
    letters = {".": "-", "-": "_"}
    return UNSPEAKABLE.sub(lambda found: letters.get(found[0], f"--{ord(found[0]):x}-"), method)


def method_name(tool: str) -> str:
    """The method that a tool's name stands for. Raises ValueError if no tool can have that name."""
    method = SPELLED.sub(lambda found: chr(int(found[1], 16)) if found[1] else ".", tool)
    if method in NO_TOOLS or tool_name(method) != tool:
        raise ValueError(tool)
    return method


def tool_of(method: dict[str, Any]) -> dict[str, object]:
    """The tool for a method, from its description by `rpc.discover`."""
    params = method["params"]
    reads_only = method.get("x-read-only", False)
    properties = {
        param["name"]: param["schema"] | ({"description": param["description"]} if param["description"] else {})
        for param in params
    }
    return {
        "name": tool_name(method["name"]),
        "title": method["name"],
        "description": method["description"],
        "inputSchema": {
            "type": "object",
            "properties": properties,
            "required": [param["name"] for param in params if param["required"]],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": reads_only, "destructiveHint": not reads_only},
    }


def readable(value: object) -> str:
    """A value as an assistant reads it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def finite(number: str) -> float:
    """A number of JSON that is not whole, or NaN and the like, which Python would take. Raises ValueError for those."""
    if not abs(value := float(number)) < float("inf"):
        raise ValueError(f"{number:.20} is not a finite number")
    return value


def is_nested(value: object, levels: int) -> bool:
    """Whether a value has more levels of lists and objects than these."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(is_nested(part, levels - 1) for part in parts)


def excess(method: str, arguments: dict[str, Any]) -> str:
    """What is too much in a call; empty if nothing is.

    SManager would refuse the call, and could not say which of all calls it has refused.
    """
    if is_nested(arguments, NESTING_LIMIT):
        return f"arguments nested more than {NESTING_LIMIT} levels deep"
    line = json.dumps([method, arguments])
    if len(line) > CALL_LIMIT:
        return f"a call of {len(line)} bytes; at most {CALL_LIMIT}"
    brackets = line.count("[") + line.count("{")
    return f"a call with {brackets} of `[` and `{{`; at most {BRACKETS_LIMIT}" if brackets > BRACKETS_LIMIT else ""


def is_identity(value: object) -> bool:
    """Whether a value can be a request's id: text that can be sent back in UTF-8, or a whole number."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, int) and not isinstance(value, bool)


class ToolCall:
    """A call of a tool, and the items that the tool has yielded."""

    def __init__(self, identity: str | int, stateless: bool, token: str | int | None) -> None:
        self.identity = identity
        self.stateless = stateless
        self.tool = ""
        self.token = token  # names the call in progress notifications, if the client wants any
        self.deadline: float | None = None  # of an endless stream
        self.is_over = False  # whether the deadline has passed
        self.is_awaited = True  # false once the client has cancelled the call
        self.has_progress = False  # whether the command reports its own progress
        self.progress = float("-inf")
        self.reported = float("-inf")  # when
        self.count = 0  # of all items
        self.items: list[Any] = []
        self._room = RESULT_LIMIT

    def keep(self, item: object) -> None:
        """Keep an item if there is room; the command goes on in any case, since its effects matter too."""
        self.count += 1
        if self._room > 0:
            self._room -= len(readable(item)) + 1
            self.items.append(item)

    def result(self, value: object, failure: str = "") -> dict[str, object]:
        """The tool's result, from what the command has returned or its error."""
        values = [*self.items, *([] if value is None else [value])]
        text = "\n".join(map(readable, values))
        notes = [failure] if failure else []
        is_cut = len(text) > RESULT_LIMIT or self.count > len(self.items)
        if is_cut:
            notes.append(
                f"this is the beginning: a result has at most {RESULT_LIMIT} characters; ask for less at a time"
            )
        if self.is_over:
            notes.append(f"ended after {ENDLESS_SECONDS:g} s; the command by itself would go on")
        texts = [text[:RESULT_LIMIT]] if text or not notes else []
        result: dict[str, object] = {"content": [{"type": "text", "text": one} for one in texts + notes]}
        if failure:
            return result | {"isError": True}
        if not is_cut:
            result["structuredContent"] = {"items": self.items, "result": value} if self.count else {"result": value}
        return result


class Adapter:
    """Turns a client's messages into requests to SManager, and its messages into answers, without I/O.

    Tools are the methods that the caller's roles allow, as `rpc.discover` tells. SManager decides call by call what the
    caller may run, and its audit journal has each.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[dict[str, object]], None],
        begin: Callable[[str, object], int],
        cancel: Callable[[int], None],
        clock: Callable[[], float],
    ) -> None:
        """`send` takes messages for the client; `begin` and `cancel` are those of a `Client` whose name is `name`.

        They raise ConnectionError if no SManager answers.
        """
        self._name = name
        self._send = send
        self._begin = begin
        self._cancel = cancel
        self._clock = clock
        self._calls: dict[int, ToolCall] = {}
        self._listings: dict[int, tuple[str | int, bool] | None] = {}  # requests for tools; None: for news of them
        self._tools: list[dict[str, object]] | None = None  # as last seen
        self._listens = False  # whether a client that has begun with `initialize` gets news of tools
        self._subscriptions: list[str | int] = []  # of stateless clients, to news of tools
        self._next_look = 0.0

    @property
    def busy(self) -> bool:
        return bool(self._calls or self._listings)

    @property
    def _is_full(self) -> bool:
        return len(self._calls) + len(self._listings) >= CALLS_LIMIT

    # Messages of the client

    def receive(self, line: bytes) -> None:
        """Take a line of the client."""
        try:
            message = json.loads(line, parse_constant=finite, parse_float=finite)
        except (ValueError, RecursionError) as error:
            self._refuse(None, PARSE_ERROR, f"not JSON: {error}")
            return
        is_batch = isinstance(message, list) and message  # as in the revision 2025-03-26
        for one in message if is_batch else [message]:
            self._take(one)

    def too_long(self) -> None:
        """The client has sent a line beyond the limit."""
        self._refuse(None, INVALID_REQUEST, f"a message of more than {CLIENT_LINE_LIMIT} bytes")

    def _take(self, message: Any) -> None:
        match message:
            case {"jsonrpc": "2.0", "method": str(method), "id": identity} if is_identity(identity):
                params = message.get("params")
                if params is None or isinstance(params, dict):
                    self._answer_request(identity, method, params or {})
                else:
                    self._refuse(identity, INVALID_PARAMS, "params should be an object")
            case {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": identity}}:
                if is_identity(identity):
                    self._cancelled(identity)
            case {"jsonrpc": "2.0", "method": "notifications/initialized"}:
                self._listens = True
            case {"jsonrpc": "2.0", "method": str()} if "id" not in message:
                pass  # a notification that concerns no tool
            case {"jsonrpc": "2.0", "id": _, "result": _} | {"jsonrpc": "2.0", "id": _, "error": _}:
                pass  # the answer to a request, which this program never sends
            case _:
                self._refuse(None, INVALID_REQUEST, 'not a request: it should have jsonrpc "2.0", a method and an id')

    def _answer_request(self, identity: str | int, method: str, params: dict[str, Any]) -> None:
        meta = params.get("_meta")
        meta = meta if isinstance(meta, dict) else {}
        revision = meta.get(f"{META}protocolVersion")
        if revision is not None and revision not in STATELESS_REVISIONS:
            data = {"supported": [*STATELESS_REVISIONS, *HANDSHAKE_REVISIONS], "requested": revision}
            self._refuse(identity, UNSUPPORTED_REVISION, f"unsupported revision {revision!r:.60}", data)
            return
        match method:
            case "initialize":
                asked = params.get("protocolVersion")
                agreed = asked if asked in HANDSHAKE_REVISIONS else HANDSHAKE_REVISIONS[0]
                self._answer(identity, False, {"protocolVersion": agreed, "serverInfo": self._who, **self._about})
            case "server/discover":
                versions = [*STATELESS_REVISIONS, *HANDSHAKE_REVISIONS]
                self._answer(identity, True, {"supportedVersions": versions, **self._about, **UNCACHED})
            case "ping":
                self._answer(identity, revision is not None, {})
            case "tools/list":
                self._list(identity, revision is not None, params)
            case "tools/call":
                token = meta.get("progressToken")
                token = token if is_identity(token) else None
                self._call(ToolCall(identity, revision is not None, token), params)
            case "subscriptions/listen" if revision:
                self._subscribe(identity, params)
            case _:
                self._refuse(identity, METHOD_NOT_FOUND, f"unknown method {method[:QUOTE_LIMIT]}")

    @property
    def _who(self) -> dict[str, object]:
        return {"name": "smanager", "title": f"SManager at {self._name}", "version": __version__}

    @property
    def _about(self) -> dict[str, object]:
        instructions = (
            f"The services that SManager at {self._name} keeps running. The tools are the commands that your roles "
            "allow; the audit journal has each call. A stream without an end is ended after "
            f"{ENDLESS_SECONDS:g} s."
        )
        return {"capabilities": {"tools": {"listChanged": True}}, "instructions": instructions}

    def _list(self, identity: str | int, stateless: bool, params: dict[str, Any]) -> None:
        if params.get("cursor") is not None:
            self._refuse(identity, INVALID_PARAMS, "unknown cursor; all tools are on the first page")
            return
        if self._is_full:
            self._refuse(identity, INTERNAL_ERROR, FULL)
            return
        try:
            self._look((identity, stateless))
        except ConnectionError as error:
            self._refuse(identity, INTERNAL_ERROR, str(error))

    def _look(self, asked: tuple[str | int, bool] | None) -> None:
        self._next_look = self._clock() + LOOK_SECONDS
        self._listings[self._begin("rpc.discover", [])] = asked

    def _call(self, call: ToolCall, params: dict[str, Any]) -> None:
        name, arguments = params.get("name"), params.get("arguments")
        arguments = {} if arguments is None else arguments
        if not isinstance(name, str) or not isinstance(arguments, dict):
            self._refuse(call.identity, INVALID_PARAMS, "name should be a tool's, and arguments an object")
            return
        call.tool = name
        try:
            method = method_name(name)
        except ValueError:
            self._refuse_tool(call)
            return
        if self._is_full:
            self._finish(call, None, FULL)
            return
        if problem := excess(method, arguments):
            self._finish(call, None, problem)
            return
        try:
            self._calls[self._begin(method, arguments)] = call
        except ConnectionError as error:
            self._finish(call, None, str(error))

    def _cancelled(self, identity: str | int) -> None:
        """The client no longer waits for a request, and gets no answer."""
        for number, call in self._calls.items():
            if call.identity == identity:
                call.is_awaited = False
                self._cancel(number)
        for number, asked in self._listings.items():
            if asked and asked[0] == identity:
                self._listings[number] = None
        if identity in self._subscriptions:
            self._subscriptions.remove(identity)

    def _subscribe(self, identity: str | int, params: dict[str, Any]) -> None:
        if len(self._subscriptions) >= SUBSCRIPTIONS_LIMIT:
            self._refuse(identity, INTERNAL_ERROR, f"{SUBSCRIPTIONS_LIMIT} subscriptions are open; cancel one of them")
            return
        wanted = params.get("notifications")
        honored = {"toolsListChanged": True} if isinstance(wanted, dict) and wanted.get("toolsListChanged") else {}
        if honored:
            self._subscriptions.append(identity)
        self._notify("subscriptions/acknowledged", {"notifications": honored, **subscription(identity)})

    # Messages of SManager

    def take(self, number: int, message: dict[str, Any]) -> None:
        """Take a message that belongs to a request."""
        if number in self._listings:
            self._listed(number, message)
        elif call := self._calls.get(number):
            self._take_of_call(number, call, message)

    def end(self) -> None:
        """The client has closed its end: end all calls."""
        for number in self._calls:
            self._cancel(number)

    def lost(self, why: str) -> None:
        """The connection is lost, and all requests with it."""
        calls, self._calls = self._calls, {}
        listings, self._listings = self._listings, {}
        for call in calls.values():
            self._finish(call, None, why)
        for asked in filter(None, listings.values()):
            self._refuse(asked[0], INTERNAL_ERROR, why)

    def _listed(self, number: int, message: dict[str, Any]) -> None:
        asked = self._listings.pop(number)
        if "result" not in message:
            if asked:
                self._refuse(asked[0], INTERNAL_ERROR, self._failure(message["error"]))
            return
        before = self._tools
        methods = message["result"]["methods"]
        self._tools = [tool_of(method) for method in methods if method["name"] not in NO_TOOLS]
        if asked:
            self._answer(*asked, {"tools": self._tools, **(UNCACHED if asked[1] else {})})
        if before is not None and before != self._tools:
            if self._listens:
                self._notify("tools/list_changed", {})
            for identity in self._subscriptions:
                self._notify("tools/list_changed", subscription(identity))

    def _take_of_call(self, number: int, call: ToolCall, message: dict[str, Any]) -> None:
        match message:
            case {"method": "$/item", "params": {"value": value}}:
                call.keep(value)
                if not call.has_progress:
                    self._report(call, call.count, None, readable(value))
            case {"method": "$/progress", "params": {"done": done, "total": total, "text": text}}:
                call.has_progress = True
                self._report(call, done, total, text)
            case {"method": "$/endless"}:
                call.deadline = self._clock() + ENDLESS_SECONDS
            case {"error": {"code": code} as error}:
                del self._calls[number]
                if code == METHOD_NOT_FOUND and call.is_awaited:
                    self._refuse_tool(call)
                elif code == CANCELLED and call.is_over:
                    self._finish(call, None)
                else:
                    self._finish(call, None, self._failure(error))
            case {"result": value}:
                del self._calls[number]
                self._finish(call, value)

    def _failure(self, error: dict[str, Any]) -> str:
        return login_required(self._name) if error["code"] == NOT_LOGGED_IN else str(error["message"])

    def _report(self, call: ToolCall, done: float, total: float | None, text: str) -> None:
        """Tell the client of progress if it wants to know, if there is any, and not too often."""
        now = self._clock()
        if call.token is None or not call.is_awaited or done <= call.progress or now < call.reported + PROGRESS_SECONDS:
            return
        call.progress, call.reported = done, now
        params = {"progressToken": call.token, "progress": done, "total": total, "message": text[:NOTICE_LIMIT]}
        self._notify("progress", {key: value for key, value in params.items() if value is not None})

    # Time

    def wait(self, connected: bool) -> float | None:
        """For how many seconds there is nothing to do unless a message comes; None: for ever."""
        due = [call.deadline for call in self._calls.values() if call.deadline is not None]
        if connected and self._wants_news:
            due.append(self._next_look)
        return max(0.0, min(due) - self._clock()) if due else None

    def tick(self, connected: bool) -> None:
        """Do what is due: end endless streams, and look for tools that have come or gone."""
        now = self._clock()
        for number, call in self._calls.items():
            if call.deadline is not None and call.deadline <= now:
                call.deadline, call.is_over = None, True
                self._cancel(number)
        if connected and self._wants_news and self._next_look <= now:
            self._look(None)

    @property
    def _wants_news(self) -> bool:
        listens = self._listens or bool(self._subscriptions)
        return listens and self._tools is not None and not self._listings  # a list that is under way will tell

    # Messages for the client

    def _finish(self, call: ToolCall, value: object, failure: str = "") -> None:
        if call.is_awaited:
            self._answer(call.identity, call.stateless, call.result(value, failure))

    def _answer(self, identity: str | int, stateless: bool, result: dict[str, object]) -> None:
        if stateless:
            result = {"resultType": "complete", "_meta": {f"{META}serverInfo": self._who}, **result}
        self._send({"jsonrpc": "2.0", "id": identity, "result": result})

    def _refuse(self, identity: str | int | None, code: int, message: str, data: object = None) -> None:
        error = {"code": code, "message": message} | ({} if data is None else {"data": data})
        self._send({"jsonrpc": "2.0", "id": identity, "error": error})

    def _refuse_tool(self, call: ToolCall) -> None:
        message = f"unknown tool {call.tool[:QUOTE_LIMIT]}; tools/list lists the tools"
        self._refuse(call.identity, INVALID_PARAMS, message)

    def _notify(self, what: str, params: dict[str, object]) -> None:
        self._send({"jsonrpc": "2.0", "method": f"notifications/{what}", "params": params})


def subscription(identity: str | int) -> dict[str, object]:
    """What names a subscription in its notifications."""
    return {"_meta": {f"{META}subscriptionId": identity}}


class AssistantPipes:
    """Carries messages between stdin, stdout and SManager until the client closes stdin."""

    def __init__(self, client: Client) -> None:
        self._client = client
        client.send_timeout = SEND_SECONDS
        self.adapter = Adapter(client.name, send_message, self._begin, self._cancel, time.monotonic)
        self._received = bytearray()
        self._skips = False  # whether the rest of a line is dropped, which is too long

    def run(self) -> None:
        with self._client:
            try:
                while self._turn([STDIN], self.adapter.wait(self._client.server is not None)):
                    self._due()
                with for_at_most(LAST_SECONDS):
                    self._turn_until_idle()
            finally:  # SManager takes the mere end of a connection for a script that still reads
                with for_at_most(CANCEL_SECONDS):
                    self.adapter.end()
                    self._turn_until_idle()

    def _turn_until_idle(self) -> None:
        while self.adapter.busy:
            self._turn([], None)

    def _turn(self, sources: list[Any], seconds: float | None) -> bool:
        """Wait for messages and take them; return whether the client may send more."""
        server = self._client.server
        ready, _, _ = select.select([*sources, *filter(None, [server])], [], [], seconds)
        if server in ready:
            self._take_of_server()
        return STDIN not in ready or self._take_of_client()

    def _take_of_client(self) -> bool:
        data = os.read(STDIN, CHUNK)
        *lines, rest = (data or b"\n").split(b"\n")  # the last line may lack its newline
        for line in lines:
            self._received += line
            if len(self._received) > CLIENT_LINE_LIMIT and not self._skips:
                self.adapter.too_long()
            elif self._received.strip() and not self._skips:
                self.adapter.receive(bytes(self._received))
            self._received.clear()
            self._skips = False
        if not self._skips:
            self._received += rest
        if len(self._received) > CLIENT_LINE_LIMIT:
            self.adapter.too_long()
            self._received.clear()
            self._skips = True
        return bool(data)

    def _take_of_server(self) -> None:
        try:
            for number, message in self._client.messages():
                self.adapter.take(number, message)
        except (CallError, OSError) as error:
            self._lost(error)

    def _due(self) -> None:
        with contextlib.suppress(ConnectionError):  # the loss has been dealt with
            self.adapter.tick(self._client.server is not None)

    def _begin(self, method: str, params: object) -> int:
        try:
            return self._client.begin(method, params)
        except ConnectionError as error:
            self._lost(error)
            raise

    def _cancel(self, number: int) -> None:
        try:
            if self._client.server:  # else all requests were lost with the connection
                self._client.cancel(number)
        except ConnectionError as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        self._client.close()
        with contextlib.suppress(SystemExit):  # stderr has no reader
            write(STDERR, f"tshell: {error}\n")
        self.adapter.lost(str(error))


def send_message(message: dict[str, object]) -> None:
    """Write a message for the client, in UTF-8: JSON's escapes could name surrogates, which some clients refuse."""
    write_bytes(STDOUT, (json.dumps(message, ensure_ascii=False) + "\n").encode("utf-8", "replace"))


# ---- The command line: one command, scripts, completion, options

NO_SERVER = 3  # the exit status when no server answers, or the server refuses the client
CANCEL_SECONDS = 2.0  # how long Ctrl-C waits for the server to end the command
ERROR_LINE = re.compile(r"^(\*\*\* .*\n?)", re.MULTILINE)

# A finished word of a shell's command line.
SHELL_WORD = re.compile(r"""\s*((?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)\s""", re.DOTALL)

# Each script runs the program that is being completed, which need not be in $PATH.
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


def main(arguments: Sequence[str] | None = None, client: Client | None = None, name: str = "tshell") -> int:
    """Run the client with the given arguments, by default those of the command line; return its exit status.

    `client` is used in place of the one that the options describe, and `name` begins messages: see `smanager attach`.
    """
    open_standard_descriptors()
    options = parser().parse_args(arguments)
    leave_upon_signals()
    try:
        if options.complete:
            write(STDOUT, COMPLETIONS[options.complete])
        elif options.words is not None:
            write(STDOUT, "".join(f"{word}\n" for word in completions(options.words)))
        elif options.fleet:
            return serve_fleet(options)
        elif options.mcp:
            if options.command:
                parser().error("--mcp takes no command")
            AssistantPipes(client or client_for(options)).run()
        else:
            return serve(client or client_for(options), options)
        return 0
    except (CallError, OSError) as error:
        write(STDERR, f"{name}: {error}\n")
        return FAILED if isinstance(error, CallError) else NO_SERVER
    except KeyboardInterrupt:
        return KILLED + signal.SIGINT


def open_standard_descriptors() -> None:
    """Open the null device for each standard stream that was closed at the start (`>&-`), before anything else.

    Otherwise the socket would get the stream's number, and SManager its own output as commands.
    """
    for descriptor, name, mode in ((STDIN, "stdin", "r"), (STDOUT, "stdout", "w"), (STDERR, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: those below have been opened already
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))  # argparse prints to it


def serve(client: Client, options: argparse.Namespace) -> int:
    """Run the command given as words, or else open a session or run the commands on stdin; return the exit status."""
    words: list[str] = options.command[options.command[:1] == ["--"] :]
    if options.ssh and (line := os.environ.get("SSH_ORIGINAL_COMMAND")):
        return run(client, [line], options)
    if words and words != ["-"]:
        return run(client, [words[0] if len(words) == 1 else shlex.join(words)], options)
    if os.isatty(STDIN) and not words:
        with client.connect() as server:
            Interaction(client, server).run()
        return 0
    with open(STDIN, encoding="utf-8-sig", errors="surrogateescape", closefd=False) as script:
        lines = (line.strip(BLANKS) for line in script)
        commands = (line for line in lines if line and not line.startswith("#"))
        return run(client, commands, options, reports=bool(words))


def serve_fleet(options: argparse.Namespace) -> int:
    """Run the command given as words on a fleet's nodes, or else a prompt or the lines on stdin."""
    try:
        from smanager.fleet import prompt
    except ImportError:  # this file alone
        raise ConnectionError("--fleet needs the package: pip install 'smanager-shell[fleet]'") from None
    return prompt.run(options.fleet, options.command[options.command[:1] == ["--"] :], os.isatty(STDIN))


def run(client: Client, commands: Iterable[str], options: argparse.Namespace, reports: bool = False) -> int:
    """Run commands in turn; return the highest status. `reports` writes each status to stderr."""
    worst = 0
    with client:
        for command in commands:
            status = run_one(client, command, options.json)
            if reports:
                write(STDERR, f"[{status}] {command}\n")
            worst = max(worst, status)
            if options.stop and status:
                break
    return worst


def run_one(client: Client, command: str, as_json: bool) -> int:
    """Run a command, show its output as it comes, and return its status."""
    params = {"line": command, "stream": True, "json": as_json}
    with contextlib.closing(SplitOutput()) as output:
        try:
            return show(client, client.begin("shell.execute", params), output)
        except ClosedPipe:  # the end of the connection ends the command, and its last words would have no reader
            raise
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C or a signal: end the command first
            with for_at_most(CANCEL_SECONDS):
                for number in list(client.running):
                    client.cancel(number)
                    show(client, number, output)
            raise


def show(client: Client, number: int, output: SplitOutput) -> int:
    """Show a command's output to its end; return the command's status."""
    while True:
        match client.next_message(number):
            case {"method": _, "params": {"value": str(piece)}}:
                output.write(piece)
            case {"method": _}:
                pass
            case {"error": {"code": code}} if code == NOT_LOGGED_IN:
                raise ConnectionError(login_required(client.name))
            case {"error": {"code": code, "message": str(message)}}:
                if code != CANCELLED:  # a cancelled command says so itself
                    output.write(f"{ERROR_MARK}{message}\n")
                return FAILED
            case answer:
                reply = client.reply(answer.get("result"))
                output.write(reply)
                return reply.status


class SplitOutput:
    """A command's output, written piece by piece: lines that begin with ERROR_MARK go to stderr, others to stdout."""

    def __init__(self) -> None:
        self._held = ""  # the beginning of a line that may still become either
        self._continues: int | None = None  # the descriptor that gets the rest of an unfinished line

    def write(self, piece: str) -> None:
        text = self._held + piece
        if self._continues is not None:
            rest, newline, text = text.partition("\n")
            write(self._continues, rest + newline)
            if not newline:
                return
        last = text.rpartition("\n")[2]
        self._held = last if len(last) < len(ERROR_MARK) and ERROR_MARK.startswith(last) else ""
        for index, part in enumerate(ERROR_LINE.split(text.removesuffix(self._held))):
            write(STDERR if index % 2 else STDOUT, part)  # every other part is an error line
        self._continues = None if last == self._held else STDERR if last.startswith(ERROR_MARK) else STDOUT

    def close(self) -> None:
        write(STDOUT, self._held)


def completions(line: str) -> list[str]:
    """The completions of a shell's command line, which begins with this program's name."""
    options = {flag: details for flags, details in OPTIONS.items() for flag in flags if flag != "--words"}
    own: list[str] = []  # this program's name and its options, without the command
    end, value_follows = 0, True  # a name counts as a value
    while (word := SHELL_WORD.match(line, end)) and (value_follows or (word[1].startswith("-") and own[-1] != "--")):
        own += shlex.split(word[1])
        value_follows = not value_follows and word[1] in options and "action" not in options[word[1]]
        end = word.end()
    rest = line[end:].lstrip()
    if value_follows:
        return []
    if rest.startswith("-") and own[-1] != "--":
        return [flag for flag in options if flag.startswith(rest)]
    with client_for(parser().parse_args(own[1:])) as client:
        matches: list[str] = client.call("shell.complete", rest)["matches"]
        return matches


def client_for(options: argparse.Namespace) -> Client:
    """The client for the server that the options name, or else the environment."""
    environment = os.environ.get
    is_tcp = any((options.host, options.port, options.tls, options.ca, options.cert, options.key))
    if options.unix and is_tcp:
        parser().error("--unix cannot be combined with -H, -p, --tls, --ca, --cert or --key")
    port = environment("SMANAGER_PORT") or str(PORT) if options.port is None else options.port
    if not (port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        parser().error(f"-p or SMANAGER_PORT is {port!r}; should be a number from 1 to 65535")
    try:
        return Client(
            options.host or environment("SMANAGER_HOST") or HOST,
            int(port),
            unix=options.unix or ("" if is_tcp else environment("SMANAGER_UNIX", "")),
            tls=options.tls or environment("SMANAGER_TLS", "0") not in ("", "0"),
            ca=options.ca,
            cert=options.cert,
            key=options.key,
            token=token_for(options),
            behalf=ssh_requester() if options.ssh else "",
        )
    except ValueError as error:
        parser().error(str(error))


def token_for(options: argparse.Namespace) -> str | None:
    """The token from the environment or a file, if any. Raises ConnectionError if others have access to the file."""
    token = os.environ.get("SMANAGER_TOKEN")
    path = options.token_file or (not token and os.environ.get("SMANAGER_TOKEN_FILE"))
    if not path:
        return token or None
    try:
        with os.fdopen(
            os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8-sig", errors="replace"
        ) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or status.st_uid != os.geteuid():
                raise PermissionError("others may read it, or own it")
            return file.read(CHUNK).strip()
    except FileNotFoundError:
        raise ConnectionError(f"{path}: no such file; it should hold a token") from None
    except OSError as error:
        remedy = f"a token file should be a regular file of yours with mode 0600: chmod 600 {path}"
        raise ConnectionError(f"{path}: {reason(error)}; {remedy}") from error


def ssh_requester() -> str:
    """The requester for whom sshd runs this program: name and address, as far as sshd tells them."""
    address = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    name = os.environ.get("SMANAGER_USER") or ssh_key_name()
    return f"{name[: NAME_LIMIT - len(address) - 2]}[{address}]" if address else name


def ssh_key_name() -> str:
    """The comment or fingerprint of the key that logged in, if sshd names the key (ExposeAuthInfo)."""
    import base64  # these are seldom needed, and slow to import
    import hashlib
    from pathlib import Path

    used = authorized = ""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: there is no home directory
        used = Path(os.environ.get("SSH_USER_AUTH", "")).read_text(errors="replace")
        authorized = Path("~/.ssh/authorized_keys").expanduser().read_text(errors="replace")
    if key := re.search(r"^publickey (\S+ (\S+))$", used, re.MULTILINE):
        words = re.escape(key[1]).replace("\\ ", r"[ \t]+")
        if line := re.search(rf"^(?![ \t]*#)(?:.*[ \t])?{words}[ \t]+(\S.*)$", authorized, re.MULTILINE):
            return line[1].strip()
        with contextlib.suppress(ValueError):  # not base64
            digest = base64.b64encode(hashlib.sha256(base64.b64decode(key[2])).digest())
            return f"SHA256:{digest.decode().rstrip('=')}"
    return ""


OPTIONS: dict[tuple[str, ...], dict[str, Any]] = {
    ("-h", "--help"): {"action": "help", "help": "show this help message and exit"},
    ("-H", "--host"): {"help": f"the host that SManager runs on ({HOST})"},
    ("-p", "--port"): {"help": f"the port that it listens on ({PORT})"},
    ("--unix",): {"metavar": "PATH", "help": "the unix socket that it listens on, instead of host and port"},
    ("--tls",): {"action": "store_true", "help": "speak TLS, and verify the server's certificate"},
    ("--ca",): {"default": "", "metavar": "FILE", "help": "the authority to trust, instead of the system's"},
    ("--cert",): {"default": "", "metavar": "FILE", "help": "a certificate that says who you are"},
    ("--key",): {"default": "", "metavar": "FILE", "help": "the certificate's key"},
    ("--token-file",): {"metavar": "FILE", "help": "log in with the token in this file, which only you may read"},
    ("--ssh",): {"action": "store_true", "help": "for sshd's forced commands: run $SSH_ORIGINAL_COMMAND"},
    ("-e", "--stop"): {"action": "store_true", "help": "stop after the first command that fails"},
    ("--json",): {"action": "store_true", "help": "print answers as JSON, as `--json` after each command does"},
    ("--fleet",): {"metavar": "HUB", "help": "ask the boxes of a fleet, by the file of a user of its hub"},
    ("--mcp",): {"action": "store_true", "help": "offer the commands as tools to an assistant, on stdin and stdout"},
    ("--complete",): {"choices": COMPLETIONS, "help": "print a completion script for this shell"},
    ("--words",): {"metavar": "LINE", "help": argparse.SUPPRESS},
}


def parser() -> argparse.ArgumentParser:
    """The options, which come before the command: all words after its first belong to the command."""
    parser = argparse.ArgumentParser(
        prog="tshell",
        allow_abbrev=False,
        add_help=False,
        description="Talk to SManager: run a command, or open a session if none is given.",
        epilog="A single WORD is a whole command line. Exit status: 0 done, 1 failed, 2 unknown command or wrong "
        "arguments, 3 no server or login refused. SMANAGER_HOST, _PORT, _UNIX, _TLS=1, _TOKEN_FILE and SMANAGER_TOKEN "
        "(the token itself) change the defaults.",
    )
    for flags, details in OPTIONS.items():
        parser.add_argument(*flags, **details)
    command_help = "the command; without one, or with `-`, commands are read from stdin"
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="WORD", help=command_help)
    return parser


if __name__ == "__main__":
    sys.exit(main())
