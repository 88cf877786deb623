"""What every shell does: finds a line's command, completes words, and complains in one line.

A shell is a `cmd.Cmd`: `onecmd` looks up the line's first word among the class's `do_` methods and calls the method
with the rest of the line. The `do_` methods of commands are made from their records; `help`, `exit` and `quit` belong
to the shells. A `do_` method returns a command that runs, a move to another shell, or None where all is done.
"""

from __future__ import annotations

import cmd
import io
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, Protocol, TextIO, TypeVar, cast

from smanager.access.audit import described
from smanager.commands.line import BLANKS, JSON, command_word, last_word
from smanager.commands.record import SHELLS_OWN, CommandError, Status
from smanager.commands.words import HELP
from smanager.shells.printer import Printer
from smanager.supervision.commands.own import Requester
from smanager.supervision.dispatch import Dispatcher
from smanager.supervision.running import Running
from smanager.system.moments import Moment
from smanager.terminal.text import begins, one_spelling, resembling

PLANS_KEPT = 256  # lines of a shell class whose meaning is remembered: more than the scripts of a box send
PLANNED_LINE = 256  # characters of such a line

K = TypeVar("K")
P = TypeVar("P")

ALTERNATIVES = 3
"""Names offered for an unknown one."""


class Enter(NamedTuple):
    """Go on in the shell of this service."""

    service: str


class Ask(NamedTuple):
    """Ask the person, and go on after a yes."""

    question: str
    then: Callable[[], Outcome]


class Leave:
    """Go up one level; from the root, end the session."""


class Quit:
    """End the session."""


class LinePlan(Protocol):
    """What a line means, once that has been found out."""

    def run(self, shell: Shell) -> Outcome:
        """Run the line again. Whether the caller may do that is asked each time."""


_NO_INPUT = io.StringIO()  # shells are handed their lines, and must never read one

Outcome = Running | Ask | Enter | Leave | Quit | None


class OwnWordPlan(NamedTuple):
    """One of the shell's own commands."""

    method: str
    arg: str
    caption: str
    described: str  # for the journal

    def run(self, shell: Shell) -> Outcome:
        audit, since = shell.dispatcher.manager.audit, Moment()
        number = audit.begin(shell.requester.caller, self.caption, self.described, may_be_lost=True)
        try:
            outcome: Outcome = getattr(shell, self.method)(self.arg)
        except CommandError as error:
            audit.end(number, since.elapsed, str(error))
            raise
        audit.end(number, since.elapsed, None)
        return outcome


def remember(plans: dict[K, P], key: K, plan: P) -> None:
    """Keep a plan for the next time; whoever asks for so many different things gains nothing by plans."""
    if len(plans) >= PLANS_KEPT:
        plans.clear()
    plans[key] = plan


class Shell(cmd.Cmd):
    """Serves people and scripts alike, but only a person may cut names short."""

    prompt = ">"
    plans: dict[str, LinePlan] = {}  # noqa: RUF012 - each shell class that callers meet has its own
    """What scripts' lines mean, by the lines; a shell class lasts as long as that holds."""
    unlisted: frozenset[str] = frozenset()  # commands that no list shows: hidden ones, and aliases
    in_full: frozenset[str] = frozenset()  # commands that are never abbreviated
    forbidden: frozenset[str] = frozenset()
    """The manager's own commands that the caller may not run; none is read as another command's abbreviation."""

    def __init__(self, dispatcher: Dispatcher, results: Printer, requester: Requester) -> None:
        super().__init__(completekey="", stdin=_NO_INPUT, stdout=cast("TextIO", results))
        self.dispatcher = dispatcher
        self.results = results
        self.requester = requester

        self.plan: LinePlan | None = None

    @property
    def here(self) -> str:
        """The service that the shell is in; empty at the root."""
        return self.requester.here

    def onecmd(self, line: str) -> Outcome:  # type: ignore[override]  # the stdlib's loop expects a bool
        """Run one command. Raises CommandError for an unknown command or wrong arguments."""
        is_script = not self.requester.abbreviates
        if is_script and (plan := self.plans.get(line)):
            self.plan = plan
            return plan.run(self)
        self.plan = None
        outcome = self._run(line)
        if is_script and self.plan and len(line) <= PLANNED_LINE:
            remember(self.plans, line, self.plan)
        return outcome

    def _run(self, line: str) -> Outcome:
        """Find out what a line means, and run it; `plan` is then what it means, if that may be remembered."""
        name, arg, line = self.parseline(line)
        if not line:
            return None
        if name in SHELLS_OWN and arg in HELP:
            name, arg = "help", name
        run: Callable[[str], Outcome] | None = getattr(self, f"do_{name}", None)
        if run is None:
            typed, _ = command_word(line)
            words = [self.here, typed] if self.here else [typed]
            self.dispatcher.unknown(self.requester.caller, " ".join(words), words)
            raise CommandError(self.unknown(typed), Status.UNUSABLE)
        if name not in SHELLS_OWN:
            return run(arg)
        caption = f"{self.here} {name}".lstrip()
        words = arg.split()  # after the first, there may be a command's secrets
        plan = OwnWordPlan(f"do_{name}", arg, caption, described(caption, " ".join(words[:1])))
        return self.follow(plan, has_secrets=len(words) > 1)

    def follow(self, plan: LinePlan, has_secrets: bool) -> Outcome:
        """Run what a line means, and remember the meaning unless it has secrets."""
        outcome = plan.run(self)
        self.plan = None if has_secrets else plan
        return outcome

    def parseline(self, line: str) -> tuple[str, str, str]:
        """Return a line's command in full, the rest, and the line."""
        line = line.strip(BLANKS)
        if line.startswith("?"):
            line = f"help {line[1:]}"
        name, arg = command_word(line)
        return self.full_name(name), arg, line

    def full_name(self, name: str) -> str:
        """A command's name as it is spelled, which may have dashes for underscores, or completed for a person.

        Raises CommandError for an ambiguous abbreviation.
        """
        if not name or hasattr(self, "do_" + name):
            return name
        if hasattr(self, "do_" + (written := one_spelling(name))):
            return written
        for known in self.get_names() if "_" in written or not written.isascii() else ():
            if one_spelling(known) == f"do_{written}":  # a service, whose name may have dashes or composed letters
                return known.removeprefix("do_")
        if not self.requester.abbreviates or name in self.forbidden:
            return name
        meant = [known for known in self.names() if begins(known, name) and known not in self.in_full]
        if len(meant) > 1:
            raise CommandError(f"{name} could be: {', '.join(meant)}", Status.UNUSABLE)
        return meant[0] if meant else name

    def unknown(self, name: str) -> str:
        """The error message for an unknown command."""
        return f"unknown command: {name}; {self.hint(name)}`help` lists the commands"

    def hint(self, name: str) -> str:
        """A question about the known commands that an unknown name may stand for."""
        return f"did you mean: {', '.join(alternatives)}? " if (alternatives := self.alternatives(name)) else ""

    def alternatives(self, name: str) -> list[str]:
        """Known commands that begin with a name, or else resemble it."""
        names = self.names()
        begun = [known for known in names if known.startswith(name)]
        return begun[:ALTERNATIVES] or resembling(name, names, ALTERNATIVES)

    def names(self) -> list[str]:
        """The commands that lists show."""
        names = [name.removeprefix("do_") for name in self.get_names() if name.startswith("do_")]
        return [name for name in names if name not in self.unlisted]

    def do_exit(self, arg: str) -> Outcome:
        """go up one level; from the top, end the session"""
        return self.alone("exit", arg, Leave())

    def do_quit(self, arg: str) -> Outcome:
        """end the session"""
        return self.alone("quit", arg, Quit())

    def alone(self, name: str, arg: str, outcome: Outcome) -> Outcome:
        """The outcome of a command that takes no arguments."""
        if arg:
            raise CommandError(f"{name}: too many arguments; usage: {name}", Status.UNUSABLE)
        return outcome

    # Completion: `cmd.Cmd.complete` drives readline's one global line, so its rules stand here anew.

    async def completions(self, line: str) -> tuple[int, list[str]]:
        """Where the last word of `line`, the text left of the cursor, begins, and its possible completions."""
        begin, text = last_word(line)
        if text.startswith("?") and not line[:begin].strip(BLANKS):  # `?`, which needs no blank behind it
            begin, text = begin + 1, text[1:]
        try:
            return begin, sorted(set(await self.words_for(text, line, begin)))
        except CommandError:  # an ambiguous command
            return begin, []

    async def words_for(self, text: str, line: str, begin: int) -> Iterable[str]:
        """Completions of the last word of `line`, which begins at `begin` and is `text` without its quotes."""
        if not line[:begin].strip(BLANKS):
            return self.completenames(text)
        name, _, _ = self.parseline(line)
        if not hasattr(self, f"do_{name}"):
            return []
        completer = getattr(self, f"complete_{name}", self.completedefault)
        words = completer(text, line, begin, len(line))
        words = await words if isinstance(words, Awaitable) else words
        takes_json = text and JSON.startswith(text) and "--" not in line[:begin].split()
        return [*words, JSON] if takes_json else words

    def completenames(self, text: str, *ignored: object) -> list[str]:
        return [name for name in self.names() if begins(name, text)]

    complete_help = completenames
