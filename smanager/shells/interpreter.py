"""Runs lines, one command at a time, in the shell that a session is in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from smanager.access.callers import Caller
from smanager.commands.record import (
    JSON,
    PROGRESS,
    CommandError,
    Failure,
    Status,
    split_commands,
    without_ampersand,
    without_options,
)
from smanager.hosts.call import Call
from smanager.shells.base import Enter, Leave, Quit, Repeat, Running, Shell
from smanager.shells.pages import SEPARATOR, banner
from smanager.shells.printer import JsonPrinter, Output, Printer
from smanager.shells.root import Shells
from smanager.shells.running import Following, Work
from smanager.shells.watching import Watching

COMMANDS_A_TURN = 32
"""Commands of one line that are run before other sessions have their turn."""

MOST_DETACHED = 16
"""Commands of one session that run detached at a time."""

log = logging.getLogger("smanager")


class Interpreter:
    """A session's shells, the commands that wait in it, and the one that runs.

    `feed` says whether what was fed is done; where it is not, `idle` is called once it is. `status` is then
    the worst of the line's commands.
    """

    __slots__ = (
        "_caller",
        "_catalogue",
        "_detached",
        "_generation",
        "_idle",
        "_json",
        "_path",
        "_paused",
        "_pending",
        "_person",
        "_printer",
        "_shell",
        "_shells",
        "_stdout",
        "always_json",
        "ended",
        "running",
        "status",
    )

    def __init__(self, shells: Shells, stdout: Output, idle: Callable[[], None], person: bool, caller: Caller) -> None:
        """Print to `stdout`; a person may abbreviate, and has each command's output closed by a line.

        `caller` says who gives the commands.
        """
        self._shells = shells
        self._stdout = stdout
        self._printer = Printer(stdout)
        self._json: JsonPrinter | None = None  # of the command that runs
        self.always_json = False
        """Whether each command answers in JSON, said so or not."""
        self._idle = idle
        self._person = person
        self._caller = caller
        self._paused = False
        self._detached: tuple[Call | Work, ...] = ()
        # The next one last; a deque takes 600 bytes from the start, for each idle session.
        self._pending: list[str] = []
        self._path: str | None = None
        self._shell: Shell = shells.root(self._printer, person, caller)
        self._catalogue = shells.manager.catalogue
        self._generation = self._catalogue.generation
        self.running: Running | None = None
        self.status = Status.DONE
        self.ended = False
        """Whether the session has been left for good."""

    @property
    def prompt(self) -> str:
        return self._current_shell().prompt

    @property
    def is_person(self) -> bool:
        return self._person

    @property
    def doing(self) -> str:
        """The command that runs, if one does."""
        return getattr(self.running, "caption", "a command") if self.running else ""

    @property
    def busy(self) -> bool:
        """Whether a command runs, or waits for its turn."""
        return self.running is not None or bool(self._pending)

    def greet(self) -> None:
        """Print what a person reads on connecting."""
        self._stdout.write(banner(self._shells.view(self._caller.permissions)))

    def feed(self, line: str) -> bool:
        """Run a line's commands once those before them are done; whether they all are done already."""
        if not self.busy:
            self.status = Status.DONE
        if ";" in line:
            commands = [command for command in split_commands(line) if command and not command.isspace()]
            self._pending[:0] = commands[::-1]
        else:
            self._pending.insert(0, line)
        return self._work()

    def announce(self, text: str) -> None:
        """Show what is no answer to a command."""
        if isinstance(self.running, Watching):
            self.running.note(text)
        else:
            self._stdout.write(text)

    def cancel(self) -> None:
        """Give up the command that runs, and those that wait."""
        self._pending.clear()
        if self.running:
            self.running.cancel()

    def close(self) -> None:
        """The session is gone; what was detached from it goes on, and is held back no longer."""
        self.cancel()
        for detached in self._detached:
            detached.resume()

    def pause(self) -> None:
        """Nobody can take more output now."""
        self._paused = True
        for running in filter(None, [self.running, *self._detached]):
            running.pause()

    def resume(self) -> None:
        self._paused = False
        for running in filter(None, [self.running, *self._detached]):
            running.resume()
        self._go_on()

    def leave(self) -> None:
        """Go up one level, as `exit` does."""
        if self._path is None:
            self.ended = True
        self._go(None)

    async def complete(self, line: str) -> tuple[int, list[str]]:
        """Where the word before the cursor begins in `line`, the text left of the cursor, and what it could be."""
        before = len(line) - len(split_commands(line)[-1])
        begin, words = await self._current_shell().completions(line[before:])
        return before + begin, words

    def _work(self) -> bool:
        """Run the commands that wait, up to one that takes time; whether all are done."""
        for _ in range(COMMANDS_A_TURN):
            if not self._pending or self.running is not None or self._paused or self.ended:
                break
            self._execute(self._pending.pop())
        else:
            asyncio.get_running_loop().call_soon(self._go_on)
            return False
        return self.running is None and not self._paused and (self.ended or not self._pending)

    def _go_on(self) -> None:
        if self.running is None and not self._paused and self._work():
            self._idle()

    def _execute(self, text: str) -> None:
        if not text.strip():
            return
        text, detached = without_ampersand(text)
        text, options = without_options(text)
        shows_progress = PROGRESS in options
        self._json = JsonPrinter(self._stdout, shows_progress) if JSON in options or self.always_json else None
        printer = self._json or (Printer(self._stdout, shows_progress) if shows_progress else self._printer)
        try:
            if self._generation != self._catalogue.generation:
                self._renew_shell()
            if detached and self._shells.manager.jobs.detached_by(self._caller) >= MOST_DETACHED:
                raise CommandError(f"{MOST_DETACHED} commands of this session run detached; `jobs` lists them")
            shell = self._shell if printer is self._printer else self._shell_at(self._path, printer)
            outcome = shell.onecmd(text)
        except CommandError as error:
            self._fail(str(error), error.status)
        except Exception:
            log.exception("a mistake in SManager, met by: %r", text)
            self._fail("SManager made a mistake; its log says more", Status.FAILED)
        else:
            if outcome is None:
                self._close()
            elif detached:
                self._detach(outcome)
            else:
                self._follow(outcome)

    def _detach(self, outcome: object) -> None:
        """Let it run, and announce its end, wherever the session is then."""
        if not isinstance(outcome, Call | Work):
            if isinstance(outcome, Following):
                outcome.cancel()
            self._fail("this goes on until somebody has seen enough, and cannot do so by itself", Status.UNUSABLE)
            return
        caption = outcome.caption
        self._shells.manager.jobs.detach(outcome)
        if isinstance(outcome, Call):
            outcome.is_quiet = True
        self._stdout.write(f"{caption}: begun\n")
        self._close()

        def announce(failure: Failure | None) -> None:
            self._detached = tuple(other for other in self._detached if other is not outcome)
            self.announce(f"{caption}: done\n" if failure is None else f"*** {caption}: {failure}\n")

        outcome.ended = announce
        self._detached += (outcome,)
        if self._paused:
            outcome.pause()

    def _repeat(self, line: str, seconds: float) -> Running:
        path = self._path

        def runner(stdout: Output, idle: Callable[[], None]) -> Interpreter:
            interpreter = Interpreter(self._shells, stdout, idle, person=False, caller=self._caller)
            interpreter._go(path)
            return interpreter

        return Watching(line, seconds, self._stdout, runner)

    def _follow(self, outcome: Running | Enter | Leave | Quit | Repeat) -> None:
        if isinstance(outcome, Repeat):
            outcome = self._repeat(outcome.line, outcome.seconds)
        if isinstance(outcome, Enter):
            self._go(outcome.service)
        elif isinstance(outcome, Leave):
            self.leave()
        elif isinstance(outcome, Quit):
            self.ended = True
        else:
            self.running = outcome
            self._printer.begin()
            outcome.ended = self._ended

    def _ended(self, failure: Failure | None) -> None:
        caption, self.running = self.doing, None
        if failure is None:
            self._close()
        else:
            self._fail(f"{caption}: {failure}", Status.FAILED)
        if self._work():
            self._idle()

    def _fail(self, message: str, status: Status) -> None:
        self.status = max(self.status, status)
        message = " ".join(message.splitlines())
        if self._json:
            self._json.fail(message)
        else:
            self._stdout.write(f"*** {message}\n")
        self._close()

    def _close(self) -> None:
        if self._json:
            self._json.close()
        if self._person:
            self._stdout.write(SEPARATOR)

    def _current_shell(self) -> Shell:
        if self._generation != self._catalogue.generation:
            self._renew_shell()
        return self._shell

    def _renew_shell(self) -> None:
        """Make the shell that the session is in anew, of what the catalogue holds now."""
        self._go(self._path)
        self._generation = self._catalogue.generation

    def _go(self, service: str | None) -> None:
        self._path = service if service in self._shells.view(self._caller.permissions).services else None
        self._shell = self._shell_at(self._path, self._printer)

    def _shell_at(self, service: str | None, results: Printer) -> Shell:
        root = self._shells.root(results, self._person, self._caller)
        return root.child(service) if service else root
