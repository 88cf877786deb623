"""What every shell does: finds a line's command, answers `help`, completes words, complains in one line.

A shell is a `cmd.Cmd`: `onecmd` looks up the line's first word among the class's `do_` methods and calls
what it finds with the rest of the line. What a `do_` method returns says how it goes on: a command that
is under way, a move to another shell, or nothing where all has been said.
"""

from __future__ import annotations

import cmd
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TextIO, cast

from smanager.access.audit import NO_COMMAND, NOT_ALLOWED
from smanager.access.callers import Caller
from smanager.commands.record import JSON, CommandError, Failure, Status, last_word
from smanager.shells.printer import Printer
from smanager.shells.running import Following, Work
from smanager.supervision.manager import Manager
from smanager.terminal.text import begins, resembling

ALTERNATIVES = 3
"""Names offered in place of one that is not known."""

LASTING = (Work, Following)
"""What the manager's own commands are that take time."""

LEADING = frozenset({"watch", "help"})
"""Commands before another one, whose arguments may be secrets: only its first word is written down with them."""

ONLY_IN_FULL = frozenset({"kill", "kick"})
"""Commands that are not abbreviated: a slip of the finger would end what others do."""


class Running(Protocol):
    """A command that is under way, and calls `ended` with what went wrong, or None, when it is not any more."""

    ended: Callable[[Failure | None], object]

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Enter:
    """Go on in the shell of this service."""

    service: str


class Leave:
    """Go up one level; from the root, end the session."""


class Quit:
    """End the session."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Run a line again and again."""

    line: str
    seconds: float


Outcome = Running | Enter | Leave | Quit | Repeat | None


class Shell(cmd.Cmd):
    """Behaves for a person on a terminal and for a script alike; only a person may abbreviate."""

    prompt = ">"
    of_services: frozenset[str] = frozenset()
    """The commands that are services', or enter them."""
    unlisted: frozenset[str] = frozenset()
    """Commands that are there for who knows them: hidden ones, and other names of one."""

    def __init__(self, manager: Manager, results: Printer, abbreviations: bool, caller: Caller) -> None:
        super().__init__(completekey="", stdin=_NO_INPUT, stdout=cast("TextIO", results))
        self.results = results
        self.manager = manager
        self.abbreviations = abbreviations
        self.caller = caller

    @property
    def here(self) -> list[str]:
        """The service that the shell is in, if it is in one."""
        return []

    def onecmd(self, line: str) -> Outcome:  # type: ignore[override]  # the stdlib's loop expects a bool
        """Run one command, and have it written down before. Raises CommandError where it is unknown or misused."""
        name, arg, line = self.parseline(line)
        if not line:
            return None
        run: Callable[[str], Outcome] | None = getattr(self, f"do_{name}", None)
        if run is None or not (name in self.of_services or self.caller.permissions.show(name or "")):
            words = [*self.here, line.split(None, 1)[0]]
            reason = NOT_ALLOWED if self.manager.catalogue.has_command(*words) else NO_COMMAND
            self.manager.audit.refused(self.caller, " ".join(words), reason)
            self.default(line)
            return None
        if name in self.of_services:
            return run(arg or "")
        told = " ".join((arg or "").split()[:1]) if name in LEADING else arg
        entry = self.manager.audit.begin(self.caller, " ".join([*self.here, name or ""]), told)
        try:
            outcome = run(arg or "")
        except Exception as error:
            entry.end(str(error))
            raise
        if isinstance(outcome, LASTING):
            self.manager.jobs.track(outcome, self.caller, entry)
        else:
            entry.end(None)
        return outcome

    def parseline(self, line: str) -> tuple[str | None, str | None, str]:
        """Return a line's command, written in full, the rest, and the line."""
        line = line.strip()
        if line.startswith("?"):
            line = f"help {line[1:]}"
        words = line.split(None, 1) or [""]
        name = self.full_name(words[0])
        return name, words[1] if len(words) > 1 else "", line

    def full_name(self, name: str) -> str:
        """The command that is written so: with a dash for an underscore, or abbreviated by a person.

        Raises CommandError where it could be several.
        """
        if not name or hasattr(self, "do_" + name):
            return name
        if "-" in name and hasattr(self, "do_" + (written := name.replace("-", "_"))):
            return written
        if not self.abbreviations or "do_" + name in self.get_names():  # it is a command, and not this caller's
            return name
        meant = [known for known in self.names() if begins(known, name) and known not in ONLY_IN_FULL]
        if len(meant) > 1:
            raise CommandError(f"{name} could be: {', '.join(meant)}", Status.UNUSABLE)
        return meant[0] if meant else name

    def emptyline(self) -> bool:
        """Do nothing; the stdlib's would repeat the last command."""
        return False

    def default(self, line: str) -> None:
        name = line.split(None, 1)[0]
        alternatives = ", ".join(self.alternatives(name))
        hint = f"did you mean: {alternatives}? " if alternatives else ""
        raise CommandError(f"unknown command: {name}; {hint}`help` lists what there is", Status.UNUSABLE)

    def alternatives(self, name: str) -> list[str]:
        """Known commands that a name may stand for: those that begin with it, or else resemble it."""
        names = self.names()
        begun = [known for known in names if known.startswith(name)]
        return begun[:ALTERNATIVES] or resembling(name, names, ALTERNATIVES)

    def names(self) -> list[str]:
        """The commands of this shell that are listed."""
        names = [name.removeprefix("do_") for name in self.get_names() if name.startswith("do_")]
        return [name for name in names if name not in self.unlisted and hasattr(self, f"do_{name}")]

    def do_exit(self, arg: str) -> Outcome:
        """go up one level; from the top, end the session"""
        self.no_words("exit", arg)
        return Leave()

    def do_quit(self, arg: str) -> Outcome:
        """end the session"""
        self.no_words("quit", arg)
        return Quit()

    def no_words(self, name: str, arg: str) -> None:
        if arg:
            raise CommandError(f"{name}: too many arguments; usage: {name}", Status.UNUSABLE)

    def built_in_doc(self, name: str) -> str:
        return inspect.getdoc(getattr(self, "do_" + name)) or ""

    # Completion: `cmd.Cmd.complete` drives readline's one global line, so its rules are stated anew here.

    async def completions(self, line: str) -> tuple[int, list[str]]:
        """Where the word before the cursor begins in `line`, the text left of the cursor, and what it could be."""
        begin, text = last_word(line)
        if text.startswith("?") and not line[:begin].strip():  # `?`, which needs no blank behind it
            begin, text = begin + 1, text[1:]
        try:
            return begin, sorted(set(await self.words_for(text, line, begin)))
        except CommandError:  # an ambiguous command
            return begin, []

    async def words_for(self, text: str, line: str, begin: int) -> Iterable[str]:
        """What the last word of `line` could be, which begins there and is `text` without its quotes."""
        if not line[:begin].strip():
            return self.completenames(text)
        name, _, _ = self.parseline(line)
        if not hasattr(self, f"do_{name}"):
            return []
        completer = getattr(self, f"complete_{name}", self.completedefault)
        found = completer(text, line, begin, len(line))
        words = await found if isinstance(found, Awaitable) else found
        takes_json = text and JSON.startswith(text) and hasattr(self, f"do_{name}") and "--" not in line[:begin].split()
        return [*words, JSON] if takes_json else words

    def completenames(self, text: str, *ignored: object) -> list[str]:
        return [name for name in self.names() if begins(name, text)]

    def complete_help(self, text: str, *ignored: object) -> list[str]:
        return self.completenames(text)


class Absent:
    """In the place of a `do_` method that somebody may not use: a shell that looks for it finds nothing."""

    def __get__(self, shell: object, owner: type) -> object:
        raise AttributeError


class _NoInput:
    """Shells are given their lines; nothing in them may ever read one."""

    def readline(self) -> str:
        return ""

    def __iter__(self) -> Iterator[str]:
        return iter(())


_NO_INPUT = cast("TextIO", _NoInput())
