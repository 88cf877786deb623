"""Runs lines, one command at a time, in the shell that a session is in."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from smanager.access.callers import Caller
from smanager.commands.line import JSON, PROGRESS, commands_of, split_commands, without_ampersand, without_options
from smanager.commands.record import CommandError, Failure, Status
from smanager.hosts.call import Call
from smanager.hosts.job import INTERNAL_ERROR
from smanager.shells.base import Ask, Enter, Leave, Outcome, Quit, Shell
from smanager.shells.output import Output, PlainOutput
from smanager.shells.pages import SEPARATOR, banner
from smanager.shells.printer import JsonPrinter, Printer
from smanager.shells.root import Shells
from smanager.supervision.commands.own import Requester
from smanager.supervision.running import Running

DETACHED_LIMIT = 64  # detached commands of one caller at a time, in all of the caller's sessions

CAPTURE_LIMIT = 64 * 1024
"""Characters kept of a line's output for the command that runs the line: more than a window holds."""

COMPLETED_LIMIT = 1000
"""Characters of a line that is completed: commands may hold commands, and each looks at all that is behind it."""

YES = ("y", "yes")

CANCEL_SECONDS = 1.0  # time for the last words of a cancelled line; a single command has a tenth of it

log = logging.getLogger("smanager")


class Interpreter:
    """A session's shells, the commands that wait, and the one that runs.

    `feed` returns whether the line is done; if not, `idle` is called once it is. `status` is then the worst of the
    line's commands, and `error` what the last of them that failed has said.
    """

    __slots__ = (
        "_asked",
        "_detached",
        "_generation",
        "_idle",
        "_is_due",
        "_json",
        "_path",
        "_paused",
        "_pending",
        "_printer",
        "_requester",
        "_shell",
        "_shells",
        "_stdout",
        "always_json",
        "ended",
        "error",
        "running",
        "status",
    )

    def __init__(
        self,
        shells: Shells,
        stdout: Output,
        idle: Callable[[], None],
        person: bool,
        caller: Caller,
        kept: list[int] | None = None,
        repeats: bool = False,
    ) -> None:
        """Print to `stdout`. A person may cut names short, and each command's output ends with a separator.

        All runs of commands are kept if there is a list `kept`, which takes their numbers; none if it `repeats` them.
        """
        self._shells = shells
        self._stdout = stdout
        self._printer = Printer(stdout)
        self._json: JsonPrinter | None = None  # of the command that runs
        self.always_json = False
        """Whether each command answers in JSON without `--json`."""
        self._idle = idle
        self._requester = Requester(caller, self.output_of, abbreviates=person, kept=kept, repeats=repeats)
        self._asked: tuple[Ask, bool] | None = None  # before a command, and whether it will run detached
        self._paused = False
        self._is_due = False  # whether the next commands run in a later turn of the loop
        self._detached: tuple[Running, ...] = ()
        # The next one last; a deque would take 600 bytes for each idle session.
        self._pending: list[str] = []
        self._path: str | None = None
        self._shell: Shell = shells.root(self._printer, self._requester)
        self._generation = shells.manager.catalogue.generation
        self.running: Running | None = None
        self.status = Status.DONE
        self.error = ""
        self.ended = False
        """Whether the session has been left for good."""

    @property
    def prompt(self) -> str:
        return f"{self._asked[0].question} [y/N] " if self._asked else self._present_shell().prompt

    @property
    def service(self) -> str | None:
        """The service in whose shell the session is, if it is in one's."""
        return self._path

    @property
    def is_person(self) -> bool:
        return self._requester.abbreviates

    @property
    def draws(self) -> bool:
        """Whether the command that runs, if one does, draws pages in place: any key ends it."""
        return self._printer.draws

    @property
    def doing(self) -> str:
        """The command that runs, if one does."""
        return self.running.caption if self.running else ""

    @property
    def busy(self) -> bool:
        """Whether a command runs or waits."""
        return self.running is not None or (bool(self._pending) and self._asked is None)

    def greet(self) -> None:
        """Print the banner that a person reads on connecting."""
        self._printer.prose(banner(self._shells.view(self._requester.caller.permissions)))

    def feed(self, line: str) -> bool:
        """Run a line's commands after those before them; returns whether all are done already.

        After a question, the line is the answer.
        """
        if self._asked:
            self._answer(line)
            return self._work()
        if not self.busy:
            self.status, self.error = Status.DONE, ""
        self._pending[:0] = commands_of(line)[::-1]
        return self._work()

    def announce(self, text: str) -> None:
        """Show a message that answers no command."""
        self._printer.announce(text)

    def cancel(self) -> None:
        """Give up the command that runs, and those that wait."""
        self._pending.clear()
        self._asked = None
        if self.running:
            self.running.cancel()

    def close(self) -> None:
        """The session has ended. Its detached commands continue, and their output is no longer held back."""
        self.cancel()
        for detached in self._detached:
            detached.resume()

    def pause(self) -> None:
        """The client does not read."""
        self._paused = True
        for running in self._all_running():
            running.pause()

    def resume(self) -> None:
        self._paused = False
        for running in self._all_running():
            running.resume()
        self._go_on()

    def _all_running(self) -> list[Running]:
        return [*([self.running] if self.running else []), *self._detached]

    def leave(self) -> None:
        """Go up one level, as `exit` does; after a question, this is a no."""
        if self._asked:
            self._answer("")
            self._work()
            return
        if self._path is None:
            self.ended = True
        self.go_to(None)

    async def complete(self, line: str) -> tuple[int, list[str]]:
        """Where the last word of `line`, the text left of the cursor, begins, and its possible completions."""
        if len(line) > COMPLETED_LIMIT or self._asked:
            return len(line), []
        before = len(line) - len(split_commands(line)[-1])
        try:
            begin, words = await self._present_shell().completions(line[before:])
        except RecursionError:  # hundreds of commands within each other
            return len(line), []
        return before + begin, words

    async def output_of(self, line: str) -> Any:
        """Run a line as this session's caller would in its shell, beside the session's own commands.

        Returns the output: as values where the command that asks answers in JSON, else as text.
        """
        as_data = self._json is not None
        output = await captured(self._shells, self._requester.caller, line, self._path, as_data, self._stdout.columns)
        if not as_data:
            return output
        values = [json.loads(document) for document in output.splitlines()]
        return values[0] if len(values) == 1 else values

    def _work(self) -> bool:
        """Run the commands that wait, up to one that takes time; returns whether all are done."""
        if self._is_due:
            return False
        turns = self._shells.turns
        while self._pending and not (self.running or self._asked or self._paused or self.ended):
            if turns.is_over():
                self._is_due = True
                turns.later(self._requester.caller.party, self._go_on_in_turn)
                return False
            self._execute(self._pending.pop())
        return not (self.running or self._paused or (self._pending and not self._asked and not self.ended))

    def _go_on_in_turn(self) -> None:
        self._is_due = False
        self._go_on()

    def _go_on(self) -> None:
        if self.running is None and not self._paused and self._work():
            self._idle()

    def _execute(self, text: str) -> None:
        text, detached = without_ampersand(text)
        text, options = without_options(text)
        shows_progress = PROGRESS in options
        self._json = JsonPrinter(self._stdout, shows_progress) if JSON in options or self.always_json else None
        printer = self._json or (Printer(self._stdout, shows_progress) if shows_progress else self._printer)

        def begin() -> Outcome:
            present = self._present_shell()
            if detached and self._shells.manager.jobs.detached_by(self._requester.caller) >= DETACHED_LIMIT:
                raise CommandError(f"{DETACHED_LIMIT} of your commands run detached; `jobs` lists them")
            shell = present if printer is self._printer else self._shell_at(self._path, printer)
            return shell.onecmd(text)

        self._run(begin, detached)

    def _answer(self, line: str) -> None:
        assert self._asked
        (asked, detached), self._asked = self._asked, None
        if line.strip().lower() in YES:
            self._run(asked.then, detached)
        else:
            self._stdout.write("nothing was done\n")
            self._close()

    def _run(self, begin: Callable[[], Outcome], detached: bool) -> None:
        """Run a command, up to its end or until it takes time."""
        try:
            outcome = begin()
        except CommandError as error:
            self._fail(str(error), error.status)
        except Exception:
            log.exception("internal error in a command")
            self._fail(INTERNAL_ERROR, Status.FAILED)
        else:
            match outcome:
                case None:
                    self._close()
                case Ask():
                    self._asked = outcome, detached
                case Enter():
                    self.go_to(outcome.service)
                case Leave():
                    self.leave()
                case Quit():
                    self.ended = True
                case _ if detached:
                    self._detach(outcome)
                case _:
                    self.running = outcome
                    self._printer.begin()
                    outcome.ended = self._ended

    def _detach(self, running: Running) -> None:
        """Let a command run beside others, and announce its end, in whichever shell the session then is."""
        if running.is_endless:
            running.cancel()
            self._fail("this command goes on until you have seen enough, and cannot be detached", Status.UNUSABLE)
            return
        number = self._shells.manager.jobs.detach(running)
        if isinstance(running, Call):
            running.is_quiet = True
        self._stdout.write(f"{running.caption}: begun as job {number}\n")
        self._close()

        def announce(failure: Failure | None) -> None:
            self._detached = tuple(other for other in self._detached if other is not running)
            self.announce(f"{running.caption}: done\n" if failure is None else f"*** {running.caption}: {failure}\n")

        running.ended = announce
        self._detached += (running,)
        if self._paused:
            running.pause()

    def _ended(self, failure: Failure | None) -> None:
        running, self.running = self.running, None
        if failure is None or running is None:
            self._close()
        else:
            self._fail(f"{running.caption}: {failure}", Status.FAILED)
        if self._work():
            self._idle()

    def _fail(self, message: str, status: Status) -> None:
        self.status = max(self.status, status)
        self.error = message = " ".join(message.splitlines())
        (self._json or self._printer).complain(message)
        self._close()

    def _close(self) -> None:
        if self._json:
            self._json.close()
        if self.is_person:
            self._printer.prose(SEPARATOR)

    def _present_shell(self) -> Shell:
        """The shell, made anew if the catalogue has changed."""
        if self._generation != (generation := self._shells.manager.catalogue.generation):
            self.go_to(self._path)
            self._generation = generation
        return self._shell

    def go_to(self, service: str | None) -> None:
        """Go to the shell of a service, if the caller may know the service, or else to the root."""
        self._path = service if service in self._shells.view(self._requester.caller.permissions).services else None
        self._shell = self._shell_at(self._path, self._printer)

    def _shell_at(self, service: str | None, results: Printer) -> Shell:
        root = self._shells.root(results, self._requester)
        return root.child(service) if service else root


class _Capture(PlainOutput):
    """Keeps a line's output, made for a window of this width; 0 for none."""

    def __init__(self, columns: int) -> None:
        self.text = ""
        self._columns = columns

    @property
    def columns(self) -> int:
        return self._columns

    def write(self, text: str) -> None:
        self.text = (self.text + text)[:CAPTURE_LIMIT]


async def captured(shells: Shells, caller: Caller, line: str, path: str | None, as_data: bool, columns: int = 0) -> str:
    """Run a line, one of many times, as a script's, and return its output.

    Cancelling ends the line's commands, and returns as well.
    """
    done = asyncio.Event()
    capture = _Capture(columns)
    interpreter = Interpreter(shells, capture, done.set, person=False, caller=caller, repeats=True)
    interpreter.always_json = as_data
    interpreter.go_to(path)
    with suppress(asyncio.CancelledError):
        await finished(interpreter, line, done)
    return capture.text


async def finished(interpreter: Interpreter, line: str, done: asyncio.Event) -> None:
    """Return when a line is done; cancelling ends the line's commands, and waits for their last words."""
    try:
        if not interpreter.feed(line):
            await done.wait()
    except asyncio.CancelledError:
        done.clear()
        interpreter.cancel()
        if interpreter.busy:
            await asyncio.wait_for(done.wait(), CANCEL_SECONDS)
        raise
