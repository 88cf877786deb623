"""The shell on the terminal or pipe that the manager was started on, without any socket.

The main thread reads the lines, since only there the stdlib's readline works and Ctrl-C arrives; the manager and its
shells live in an event loop in another thread.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from types import FrameType, ModuleType
from typing import Any, TypeVar

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.logs.manager_log import LogQueue
from smanager.server.editor.insertion import insertion, listing, typeable
from smanager.server.listeners import Listeners
from smanager.server.nudges import nudged
from smanager.server.rpc.methods import Methods
from smanager.server.rpc.requests import Programs, is_request
from smanager.shells.interpreter import Interpreter
from smanager.shells.root import Shells
from smanager.supervision.manager import Manager
from smanager.system import orphans
from smanager.system.errors import in_words
from smanager.terminal.text import as_bytes, coloured, has_colours, visible

try:
    import readline
except ImportError:  # a Python built without readline: plain lines only
    readline = None  # type: ignore[assignment]  # a module or nothing

COMPLETION_SECONDS = 2.0  # how long a completion may take; a service has one second of it

T = TypeVar("T")


class Ended(BaseException):
    """The process was told to end (SIGTERM, SIGHUP)."""


def run(manager: Manager, log: LogQueue, listen: Callable[[], Coroutine[Any, Any, Listeners]]) -> int:
    """Run the manager with a session on standard input and output; returns the last command's exit status.

    On a terminal, lines of `log` go above the line that is being typed. `listen` opens the socket of `smanager attach`.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="event loop", daemon=True)
    thread.start()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    signal.signal(signal.SIGCHLD, lambda *_: loop.call_soon_threadsafe(orphans.reap_soon, loop, manager.pool.pids))
    listeners: Listeners | None = None
    try:
        with nudged(loop):
            _await(loop, manager.begin(Caller(CONSOLE)))
            listeners = _await(loop, listen())
            return Console(manager, loop, log).run()
    except (Ended, KeyboardInterrupt):
        return 0
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # the process is ending already
        if listeners:
            _await(loop, listeners.close("SManager is stopping"))
        _await(loop, manager.finish())
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Console:
    """The session of the console, and the output of its commands."""

    def __init__(self, manager: Manager, loop: asyncio.AbstractEventLoop, log: LogQueue) -> None:
        self._manager = manager
        self._loop = loop
        self._log = log
        self._person = sys.stdin.isatty() and sys.stdout.isatty()
        self.has_colours = self._person and has_colours(os.environ.get("TERM", ""))
        self._done = threading.Event()
        self._broken: OSError | None = None  # why output has failed
        self._matches: list[str] = []
        self._lines: list[str] = []  # the completed lines that readline is offered
        self._progressing = False
        self._asking = ""  # the prompt, while a line is being typed after it
        self._reading = False  # Ctrl-C ends the reading of a line; at other times it cancels what runs
        self._ending = False  # no more input will come
        shells, caller = Shells(manager), Caller(CONSOLE)
        self._interpreter = self._in_loop(lambda: Interpreter(shells, self, self._idle, self._person, caller))
        methods = self._in_loop(lambda: Methods(shells, caller))
        self._programs = Programs(methods, shells.turns, caller.party, lambda line: self.write(f"{line}\n"), self._idle)

    def run(self) -> int:
        """Run lines until there are no more; returns the last command's exit status."""
        sys.stdin.reconfigure(errors="surrogateescape", newline=None)  # type: ignore[union-attr]  # it is a TextIOWrapper
        if self._person:
            self._in_loop(self._interpreter.greet)
            self._set_up_terminal()
        signal.signal(signal.SIGINT, self._interrupt)
        while not self._interpreter.ended and not self._manager.end.is_set():
            try:
                line = self._read_line()
            except EOFError:
                self._end_of_input()
            except (KeyboardInterrupt, SystemError) as error:
                if not is_interrupt(error):
                    raise
                print("^C")
                self._in_loop(self._cancel)  # a question is given up
            else:
                self._wait_for(partial(self._feed, line))
        if self._broken and self._broken.errno != errno.EPIPE:  # EPIPE: the reader has seen enough
            print(f"smanager: cannot write the output: {in_words(self._broken)}", file=sys.stderr)
            return 1
        return self._interpreter.status.value

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._reading:
            self._reading = False  # a second Ctrl-C must not end what the first one begins
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._cancel)

    def write(self, text: str) -> None:
        """Print text: made safe for a terminal, unchanged for a pipe."""
        if self._person:
            text = visible(text)
            text = coloured(text) if self.has_colours else text
        self.paint(text)

    def paint(self, text: str) -> None:
        """Print text that is safe for a terminal."""
        self._end_progress()
        self._put(self._above_prompt(text) if self._person else text)

    def _put(self, text: str) -> None:
        data = memoryview(as_bytes(text))
        try:
            while data and not self._broken:  # without Python's buffer, which would report the error again at exit
                data = data[os.write(sys.stdout.fileno(), data) :]
        except OSError as error:
            self._broken = error
            self._interpreter.ended = True
            self._loop.call_soon(self._cancel)
            self._done.set()

    @property
    def columns(self) -> int:
        return shutil.get_terminal_size().columns if self._person else 0

    def progress(self, text: str) -> None:
        if self._person:
            self._put(f"\r{visible(text)}\x1b[K")
            self._progressing = True

    def _end_progress(self) -> None:
        if self._progressing:
            self._progressing = False
            self._put("\r\x1b[K")

    def redraw(self, text: str) -> None:
        self._progressing = False
        self._put(f"\x1b[H\x1b[2J{visible(text)}" if self._person else text)

    def _read_line(self) -> str:
        self._end_progress()
        try:
            self._reading = True
            if self._person:
                self._asking = self._interpreter.prompt
                return input(self._asking)
            if not (line := sys.stdin.readline()):  # `input` would write to a pipe by itself
                raise EOFError
            return line
        finally:
            self._reading = False
            self._asking = ""

    def _wait_for(self, begin: Callable[[], None]) -> None:
        """Begin something in the event loop, and wait until the next line may come."""
        self._done.clear()
        self._loop.call_soon_threadsafe(begin)
        self._done.wait()

    def _feed(self, line: str) -> None:
        if is_request(line) or self._programs.awaits(line):
            self._programs.receive(line)
        else:
            self._interpreter.feed(line)
        self._idle()

    def _idle(self) -> None:
        """Let the next line be read if it can run now; at the end of the input, wait until all is done."""
        waits = self._programs.busy if self._ending else self._programs.full
        if not waits and (self._interpreter.ended or not self._interpreter.busy):
            self._done.set()

    def _cancel(self) -> None:
        self._interpreter.cancel()
        self._programs.cancel()

    def _end_of_input(self) -> None:
        """Ctrl-D goes up one level; the end of a pipe ends the session."""
        if self._person:
            print()
            self._in_loop(self._interpreter.leave)
        else:
            self._ending = True
            self._wait_for(self._idle)
            self._interpreter.ended = True

    def _set_up_terminal(self) -> None:
        if os.isatty(self._log.descriptor):
            self._log.place = lambda line: self._above_prompt(f"{line}\n")
        if isinstance(readline, ModuleType):
            readline.set_completer(self._complete)
            readline.set_completer_delims("")  # the completer gets whole lines, and finds the word itself
            readline.set_completion_display_matches_hook(self._list)
            readline.parse_and_bind("set show-all-if-ambiguous on")
            libedit = "libedit" in (readline.__doc__ or "")  # macOS
            readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")

    def _complete(self, line: str, state: int) -> str | None:
        """The completed line number `state`; readline asks for the next ones until it gets None."""
        if state == 0:
            try:
                begin, words = _await(self._loop, self._interpreter.complete(line), COMPLETION_SECONDS)
            except TimeoutError:
                begin, words = len(line), []
            self._matches = typeable(words)
            if not self._matches:
                self._lines = []
            elif inserted := insertion(line[begin:], self._matches):
                self._lines = [line[:begin] + inserted]
            else:  # two lines that share only the typed one make readline call `_list`
                self._lines = [f"{line}a", f"{line}b"]
        return self._lines[state] if state < len(self._lines) else None

    def _list(self, line: str, lines: Sequence[str], longest: int) -> None:
        """List the matches below the line, for readline."""
        rows = "".join(f"{row}\n" for row in listing(self._matches, self.columns))
        self._put("\n" + self._above_prompt(rows))

    def _above_prompt(self, text: str) -> str:
        """The lines, preceded and followed by what puts them above the line that is being typed."""
        if not self._asking:
            return text
        typed = readline.get_line_buffer() if isinstance(readline, ModuleType) else ""
        return f"\r\x1b[K{text}{self._asking}{typed}"

    def _in_loop(self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return _await(self._loop, call())


def _await(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(seconds)


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended


def is_interrupt(error: BaseException) -> bool:
    """Whether this is a Ctrl-C; CPython makes a SystemError of one that comes while its C code makes an object."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt)
