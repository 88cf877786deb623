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
import contextlib
import itertools
import json
import os
import re
import select
import shlex
import signal
import socket
import struct
import sys
import termios
import tty

CANCEL_SECONDS = 2.0  # how long Ctrl-C waits for the server to have ended the command

COMPLETIONS = {
    "bash": """_tshell() {
    local IFS=$'\\n'
    COMPREPLY=($(tshell --words "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
}
complete -o nosort -F _tshell tshell tshell.py
""",
    "zsh": """#compdef tshell tshell.py
_tshell() { compadd -- ${(f)"$(tshell --words "${BUFFER[1,CURSOR]}" 2>/dev/null)"} }
compdef _tshell tshell tshell.py
""",
    "fish": """complete -c tshell -f -a '(tshell --words (commandline -cp) 2>/dev/null)'
complete -c tshell.py -f -a '(tshell --words (commandline -cp) 2>/dev/null)'
""",
}

TYPE_CHECKING = False  # typing's own constant would cost its import, a tenth of the start-up time
if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

CONNECT_TIMEOUT = 5.0  # seconds for each of a name's addresses: a lost SYN is sent again after 1 s and after 3 s
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""A reply is waited for without limit, for a command may run long; a server that vanished shows in 2 minutes."""

REPLY_LIMIT = 64 * 1024 * 1024  # bytes of one reply: more than any page or log extract, less than a small box's memory
QUOTE_LIMIT = 60  # bytes of an answer that is not a reply, in the message about it
CHUNK = 64 * 1024  # bytes to read at once: as much as a pipe or a socket usually holds
OUTGOING_LIMIT = 64 * 1024  # bytes kept for a server that does not read, before the keyboard waits for it
SUBNEGOTIATION_LIMIT = 256  # bytes of an unfinished telnet sequence; the one that SManager sends has 6

FAILED = 1  # the exit status of a failed command; 2 is an unknown one, or wrong arguments
NO_SERVER = 3
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

    The text of a failed command holds the reason, in a line that begins with `*** `.

    Raises ConnectionError, with a sentence fit for a person, when no SManager answers or it was lost.
    """
    with connected(address, port) as server, server.makefile("rwb") as wire:
        return execute(wire, command)


@contextlib.contextmanager
def connected(address: str, port: int) -> Iterator[socket.socket]:
    """Connect; every OSError in the body counts as the loss of the connection.

    Raises ConnectionError, which says what was tried and what to do.
    """
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        server = socket.create_connection((address, port), CONNECT_TIMEOUT)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one, as in "a..b"
        raise ConnectionError(
            f"no SManager answers at {place} ({reason(error)}); is it running? start it with: python3 smanager.py"
        ) from error
    with server:
        server.settimeout(None)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            if hasattr(socket, option):  # macOS lacks some of them
                server.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        try:
            yield server
        except OSError as error:
            raise ConnectionError(f"lost SManager at {place} ({reason(error)}); its log may say why") from error


def reason(error: Exception) -> str:
    """What the system says about an error, without its number."""
    return getattr(error, "strerror", None) or str(error)


def execute(wire: io.BufferedRWPair, line: str) -> Reply:
    """Run one command line through JSON-RPC 2.0, one object a line; the connection can be used again.

    Raises ConnectionError when what comes back is not a whole reply.
    """
    # Only one request is under way at any time: the same id does for all.
    send(wire, {"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": {"line": line}})
    match receive(wire):
        case {"result": {"output": str(output), "status": int(status)}}:
            return Reply(output, status)
        case {"error": {"message": str(message)}}:
            return Reply(f"*** {message}\n", FAILED)
        case answer:
            raise ConnectionError(f"its answer {json.dumps(answer)[:QUOTE_LIMIT]} is no reply of an SManager")


def send(wire: io.BufferedRWPair, message: dict[str, object]) -> None:
    wire.write(json.dumps(message).encode() + b"\n")
    wire.flush()


def receive(wire: io.BufferedRWPair) -> dict[str, Any]:
    """The next message. Raises ConnectionError when none comes, or something else."""
    answer = wire.readline(REPLY_LIMIT)
    if len(answer) == REPLY_LIMIT:
        raise ConnectionError(f"its reply is longer than {REPLY_LIMIT} bytes")
    if not answer.endswith(b"\n"):
        raise ConnectionError("it closed the connection before it had answered")
    with contextlib.suppress(ValueError, RecursionError):  # not JSON, or nested beyond reason
        message = json.loads(answer)
        if isinstance(message, dict):
            return message
    quote = answer[:QUOTE_LIMIT].decode(errors="replace").rstrip()
    raise ConnectionError(f"its answer {quote!r} is no reply of an SManager")


class CallError(Exception):
    """A call that failed: its text says why, `code` is JSON-RPC's, `data` may hold the exception's type and message."""

    def __init__(self, message: str, code: int = 0, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Client:
    """A connection to an SManager, for programs; use it in a `with` statement. One thread at a time."""

    def __init__(self, address: str = "127.0.0.1", port: int = 10000) -> None:
        """Connect. Raises ConnectionError, as all of its methods do when the server is lost."""
        self._closing = contextlib.ExitStack()
        server = self._closing.enter_context(connected(address, port))
        self._wire = self._closing.enter_context(server.makefile("rwb"))
        self._numbers = itertools.count(1)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing.close()

    def call(self, method: str, *arguments: object, **options: object) -> Any:
        """What a method returns; its parameters go by position or by name. Raises CallError where it fails.

        What it yields before is thrown away; `stream` returns that.
        """
        for _ in (stream := Stream(self, method, arguments, options)):
            pass
        return stream.result

    def stream(self, method: str, *arguments: object, **options: object) -> Stream:
        """What a method yields, one by one as it comes. Raises CallError where it fails."""
        return Stream(self, method, arguments, options)

    def execute(self, line: str) -> Reply:
        """The output and the status of a command line."""
        result = self.call("shell.execute", line)
        return Reply(result["output"], result["status"])


class Stream:
    """What a method yields, then its `result`; who leaves it before its end ends the method too."""

    def __init__(self, client: Client, method: str, arguments: Sequence[object], options: dict[str, object]) -> None:
        if arguments and options:
            raise TypeError("parameters go all by position or all by name")
        self.result: Any = None
        self._wire = client._wire
        self._number = next(client._numbers)
        params = options or list(arguments)
        send(self._wire, {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})

    def __iter__(self) -> Iterator[Any]:
        done = False
        try:
            while True:
                match receive(self._wire):
                    case {"method": "$/item", "params": {"value": value}}:
                        yield value
                    case {"id": self._number, "result": result}:
                        done, self.result = True, result
                        return
                    case {"id": self._number, "error": {"code": code, "message": message, **more}}:
                        done = True
                        raise CallError(message, code, more.get("data"))
        except ConnectionError:
            done = True
            raise
        finally:
            if not done:
                self._cancel()

    def _cancel(self) -> None:
        send(self._wire, {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": self._number}})
        while receive(self._wire).get("id") != self._number:
            pass


# ---- for scripts

ERROR_LINE = re.compile(r"^(\*\*\* .*\n?)", re.MULTILINE)

# What a terminal acts on instead of showing it: controls but tab and newline, the marks that reorder a line
# (Unicode UAX #9), and the surrogates that stand for bytes which were not UTF-8.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def run(
    address: str,
    port: int,
    commands: Iterator[str],
    told: Callable[[str, int], None],
    stops: bool,
) -> int:
    """Run commands one by one over one connection, show what they say, and return the highest status.

    `told` is told of each; `stops` at the first that fails.
    """
    # The server takes a connection that stays silent for a person's: make it when there is something to say.
    first = next(commands, None)
    if first is None:
        return 0
    with connected(address, port) as server, server.makefile("rwb") as wire:
        worst = 0
        for command in itertools.chain([first], commands):
            status = show(execute_or_cancel(server, wire, command))
            told(command, status)
            worst = max(worst, status)
            if stops and status:
                break
        return worst


def execute_or_cancel(server: socket.socket, wire: io.BufferedRWPair, command: str) -> Reply:
    """Run a command; upon Ctrl-C end it there before the program ends here."""
    try:
        return execute(wire, command)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            server.settimeout(CANCEL_SECONDS)
            send(wire, {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}})
            receive(wire)
        raise


def tell_status(command: str, status: int) -> None:
    """Say on stderr how a command ended."""
    write(STDERR, f"[{status}] {command}\n")


def tell_nothing(command: str, status: int) -> None:
    """The exit status says it."""


def words_for(address: str, port: int, line: str) -> int:
    """Print what the last word of a shell's line could be, one to a line; the line begins with this program's name."""
    before = line.split(None, 1)[1:] or [""]
    with Client(address, port) as client:
        write(STDOUT, "".join(f"{word}\n" for word in client.call("shell.complete", before[0])["matches"]))
    return 0


def commands_in(script: Iterable[str]) -> Iterator[str]:
    """The command lines of a script: no empty lines, no comments."""
    for line in map(str.strip, script):
        if line and not line.startswith("#"):
            yield line


def show(reply: Reply) -> int:
    """Print a reply, the error lines of a failed command on stderr, and return its status."""
    parts = ERROR_LINE.split(reply) if reply.status else [reply]  # every other part is an error line
    for index, part in enumerate(parts):
        write(STDERR if index % 2 else STDOUT, part)
    return reply.status


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
        self._requests: set[bytes] = set()  # those that were met, so that none is answered twice
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
        if request in self._requests or verb in (DONT, WONT):
            return b""
        self._requests.add(request)
        if request not in self.AGREED:
            return IAC + (WONT if verb == DO else DONT) + option
        return self.resize(self._size) if option == NAWS else b""

    def resize(self, size: os.terminal_size) -> bytes:
        """Return what tells the server the window's size (RFC 1073): nothing before it asked."""
        self._size = size
        if DO + NAWS not in self._requests:
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


def interact(server: socket.socket) -> None:
    """Join the terminal to the server, until one of them closes or Ctrl-] is typed."""
    telnet = Telnet(terminal_type(), os.get_terminal_size(STDIN))
    outgoing = bytearray(telnet.OPENING)
    shown, paste_marks = b"\n", False
    server.setblocking(False)  # a server that does not read must not keep anybody from leaving
    with signals() as signalled, raw_terminal() as restore:
        try:
            while True:
                sources: list[int | socket.socket] = [server, signalled]
                if len(outgoing) < OUTGOING_LIMIT:
                    sources.append(STDIN)
                readable, writable, _ = select.select(sources, [server] if outgoing else [], [])
                if signalled in readable:
                    signalled.recv(CHUNK)
                    outgoing += telnet.resize(os.get_terminal_size(STDIN))
                if server in readable:
                    data = server.recv(CHUNK)
                    if not data:
                        return
                    text, answers = telnet.receive(data)
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
                    del outgoing[: server.send(outgoing)]
        finally:
            # The server cannot take its mode back any more, and what comes next begins a line of its own.
            last = (PASTE_MARKS_OFF if paste_marks else b"") + (b"" if shown.endswith(b"\n") else b"\r\n")
            with contextlib.suppress(OSError):  # a terminal that was hung up
                os.write(STDOUT, last)


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
        for number in LEAVING_SIGNALS:
            signal.signal(number, leave)
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(-1)


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
    reports = words == ["-"]
    try:
        if options.words is not None:
            return words_for(options.host, options.port, options.words)
        if words and not reports:
            line = words[0] if len(words) == 1 else shlex.join(words)
            return run(options.host, options.port, iter([line + " --json" * options.json]), tell_nothing, stops=False)
        if os.isatty(STDIN) and not reports:
            with connected(options.host, options.port) as server:
                write(STDOUT, f"Connected to {options.host}; Ctrl-] leaves.\n")
                interact(server)
            return 0
        with open(STDIN, encoding="utf-8", errors="surrogateescape", closefd=False) as script:
            commands = (line + " --json" * options.json for line in commands_in(script))
            told = tell_status if reports else tell_nothing
            return run(options.host, options.port, commands, told, options.stop)
    except CallError as error:
        print(f"tshell: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"tshell: {error}", file=sys.stderr)
        return NO_SERVER
    except KeyboardInterrupt:
        return KILLED + signal.SIGINT


def parser() -> argparse.ArgumentParser:
    """The options, which come before the command's words: what follows the first word is the command's."""
    parser = argparse.ArgumentParser(
        prog="tshell",
        allow_abbrev=False,
        description="Talk to SManager: give a command and leave, or, without one, open a session.",
        epilog="A single WORD is a whole command line. Exit status: 0 done, 1 failed, 2 unknown command or "
        "wrong arguments, 3 no server. SMANAGER_HOST and SMANAGER_PORT change the defaults.",
    )
    host = os.environ.get("SMANAGER_HOST") or "127.0.0.1"
    port = os.environ.get("SMANAGER_PORT") or "10000"
    add = parser.add_argument
    add("-H", "--host", default=host, help="where SManager runs (%(default)s)")
    add("-p", "--port", default=port, type=port_number, help="the port it listens on (%(default)s)")
    add("-e", "--stop", action="store_true", help="of several commands, run none after the first that fails")
    add("--json", action="store_true", help="answers in JSON, as with `--json` behind each command")
    add("--complete", choices=COMPLETIONS, help="print a completion script for this shell")
    add("--words", metavar="LINE", help=argparse.SUPPRESS)
    add("command", nargs=argparse.REMAINDER, metavar="WORD", help="the command; else those on stdin, as with `-`")
    return parser


def port_number(text: str) -> int:
    """Read a port; raises ArgumentTypeError."""
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"-p or SMANAGER_PORT is {text!r}, not a number from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
