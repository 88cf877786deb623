"""The manager's own commands for looking after services, at the root and inside a service's shell."""

from __future__ import annotations

import argparse
import re
import signal
from collections.abc import Callable, Container, Iterable, Sequence

from smanager.commands.record import JSON, CommandError, Status, split_words
from smanager.config.checks import some_seconds
from smanager.logs.history import Feed, Line
from smanager.shells import statuspages
from smanager.shells.arguments import Arguments, count, is_number, seconds
from smanager.shells.base import Outcome, Repeat
from smanager.shells.people import People
from smanager.shells.running import Following, Wait, Work, send_signal, until
from smanager.supervision.keeper import Keeper
from smanager.supervision.selection import chosen
from smanager.supervision.states import State
from smanager.terminal.text import begins

BUILT_INS = (
    *("help", "kill", "restart", "exit", "quit", "services", "status", "start", "stop", "why", "logs", "events"),
    *("wait", "signal", "plan", "reload", "jobs", "cancel", "watch", "who", "whoami", "kick", "broadcast"),
)
"""The manager's own commands in the order of the help page: the seed's three first."""

RESERVED = (*BUILT_INS, "auth", "as")
"""Names that no service can have: theirs, and the words by which a script logs in."""

SHOWN_LINES = 20
"""Lines that `logs` and `events` show where nobody says how many: they fit a small window."""

WATCH_SECONDS = 2.0
"""How often `watch` runs its command where nobody says."""

NOT_ALL = "restart: all at once is for admins; name the services"

SHORTEST_WATCH = 0.1
"""Seconds; oftener than that nobody sees, and it would keep a core busy."""

_LOGS = Arguments("logs")
_EVENTS = Arguments("events")
for _feed in (_LOGS, _EVENTS):
    _feed.add_argument("-f", action="store_true", dest="follow")
    _feed.add_argument("-n", type=count, default=SHOWN_LINES, dest="count")
_LOGS.add_argument("names", nargs="*", metavar="SERVICE")

_RELOAD = Arguments("reload")
_RELOAD.add_argument("--dry-run", action="store_true")

_WAIT = Arguments("wait")
_WAIT.add_argument("words", nargs="+", metavar="SERVICE STATE")
_WAIT.add_argument("--timeout", type=seconds, metavar="SECONDS")


class Operations(People):
    """What needs no service's cooperation. Without a name, it is about the service that the shell is in."""

    def named(self, name: str, arg: str) -> list[Keeper]:
        """The services that a line's names and patterns mean. Raises CommandError where it has none."""
        keepers = self.meant(name, split_words(arg))
        if not keepers:
            raise CommandError(f"{name}: of which service? usage: {name} SERVICE ..., or all", Status.UNUSABLE)
        return keepers

    def meant(self, name: str, words: Sequence[str]) -> list[Keeper]:
        """The services that words mean, of those on which the command `name` may be run."""
        known = self.permitted(name)
        return chosen([self.full_service_name(word, known) for word in words] or self.here, known)

    def permitted(self, name: str) -> dict[str, Keeper]:
        return self.manager.permitted(self.caller, name)

    def full_service_name(self, word: str, known: Iterable[str]) -> str:
        """The service that is written so: with a dash for an underscore, or by a person abbreviated."""
        if word in known or word == "all":
            return word
        if (written := word.replace("-", "_")) in known:
            return written
        if not self.abbreviations:
            return word
        begun = [name for name in known if begins(name, word)]
        return begun[0] if len(begun) == 1 else word

    def do_status(self, arg: str) -> None:
        """show how services are

        `status [SERVICE ...]`: since when each is in its state, how often it was started again by itself, CPU
        time and memory of its process, and how its last life ended. A script gets a tab between the columns.
        """
        keepers = self.meant("status", split_words(arg) or self.here or ["all"])
        facts = [statuspages.facts(keeper, self.caller.permissions.know) for keeper in keepers]
        self.results.table(list(map(statuspages.row, facts)), facts)
        if lost := self.manager.audit.lost:
            self.note(f"*** {lost} lines of the audit journal could not be written")

    def do_start(self, arg: str) -> Outcome:
        """start services

        `start SERVICE ...` starts what they need as well. A name may be a pattern (`web*`), or `all`.
        """
        keepers = self.named("start", arg)

        async def start() -> None:
            await self.manager.start(keepers, self.caller, self.teller("start"))
            self.require_running("start", keepers)

        return Work(start(), "start")

    def do_stop(self, arg: str) -> Outcome:
        """stop services

        `stop SERVICE ...` stops before them those that need them; `plan stop SERVICE` says which. They stay
        stopped until they are started.
        """
        keepers = self.named("stop", arg)
        return Work(self.manager.stop(keepers, self.caller, self.teller("stop")), "stop")

    def do_restart(self, arg: str) -> Outcome:
        """restart services

        `restart` restarts all of them, and sees files that are new or gone; `restart SERVICE ...` only the
        named ones, with those that need them or share their processes.
        """
        words = split_words(arg) or self.here
        everything = self.caller.permissions.allow("restart all")
        if not words and everything:
            return Work(self.restart_all(), "restart")
        if not words:
            raise CommandError("restart: of which service? usage: restart SERVICE ...", Status.UNUSABLE)
        if not everything and "all" in words:
            raise CommandError(NOT_ALL, Status.UNUSABLE)
        unloaded = {word: self.manager.catalogue.unloaded_file(word) if everything else None for word in words}
        files = [file for file in unloaded.values() if file]
        known = [word for word in words if not unloaded[word]]
        keepers = self.meant("restart", known) if known else []

        async def restart() -> None:
            await self.manager.restart(keepers, self.caller, self.teller("restart"))
            for file in files:
                await self.manager.load(file, self.caller, self.tell)
            concerned = dict.fromkeys([*files, *(keeper.service.file for keeper in keepers)])
            if not self.caller.permissions.know_all(self.manager.keepers):
                concerned = {}  # they may be about others
            problems = [f"{file.path.name}: {problem}" for file in concerned for problem in file.problems]
            for problem in problems:
                self.tell(problem)
            self.require_running("restart", keepers, bool(problems))

        return Work(restart(), "restart")

    async def restart_all(self) -> None:
        await self.manager.restart_all(self.caller, self.tell)
        problems = [f"{file.path.name}: {problem}" for file, problem in self.manager.catalogue.problems()]
        for problem in problems:
            self.tell(problem)
        self.require_running("restart", self.manager.wanted(), bool(problems))

    def require_running(self, caption: str, keepers: Sequence[Keeper], problems: bool = False) -> None:
        """Raise CommandError where not all are running."""
        if problems or any(keeper.state is not State.RUNNING for keeper in keepers):
            raise CommandError("not everything is running; the lines above say why")

    def tell(self, line: str) -> None:
        self.stdout.write(line + "\n")

    def note(self, line: str) -> None:
        """Tell something besides the result, for which its one JSON document has no place."""
        if not self.results.as_data:
            self.tell(line)

    def teller(self, name: str) -> Callable[[str], object]:
        """Tells of services, but not of those that the caller knows nothing of and that are drawn in by others."""
        known = self.permitted(name)
        return lambda line: self.tell(line) if is_known(line, known, self.manager.keepers) else None

    def do_why(self, arg: str) -> None:
        """say why services are as they are

        `why SERVICE ...`: its last lives, who asked for them, how they ended and what that led to, the lines
        it printed last, and when the next attempt is made.
        """
        keepers = self.named("why", arg)
        knows = self.caller.permissions.know
        pages = [statuspages.why(keeper, knows) for keeper in keepers]
        self.results.page("\n".join(pages), [statuspages.reasons(keeper, knows) for keeper in keepers])

    def do_logs(self, arg: str) -> Outcome:
        """show what services printed

        `logs [-f] [-n LINES] [SERVICE ...]`; with -f, what comes is shown as well, until Ctrl-C.
        """
        options = _LOGS.read(arg)
        keepers = self.meant("logs", options.names or self.here or ["all"])
        feeds = [keeper.service.history.lines for keeper in keepers]
        lines = sorted((line for feed in feeds for line in feed.last(options.count)), key=lambda line: line.when)
        self.show_lines(lines[len(lines) - min(options.count, len(lines)) :], options.follow)
        for keeper in keepers:
            if lost := self.manager.lost_lines(keeper.name):
                self.note(f"*** {lost} lines of {keeper.name} could not be written to its file")
        return self.following("logs", feeds) if options.follow else None

    def do_events(self, arg: str) -> Outcome:
        """show what happened to services

        `events [-f] [-n COUNT]`; with -f, what comes is shown as well, until Ctrl-C.
        """
        options = _EVENTS.read(arg)
        allow = self.caller.permissions.allow_on
        shown = self.manager.events.last(options.count, lambda event: allow("events", event.service))
        self.show_lines(shown, options.follow)
        return self.following("events", [self.manager.events]) if options.follow else None

    def following(self, name: str, feeds: Sequence[Feed[Line]]) -> Following[Line]:
        """Show what comes, as long as the caller may see it."""

        def show(line: Line) -> None:
            if self.caller.permissions.allow_on(name, line.service):
                self.show_line(line)

        return Following(name, feeds, show, self.results)

    def show_lines(self, lines: Sequence[Line], as_stream: bool) -> None:
        if as_stream:  # each for itself, as those that follow
            for line in lines:
                self.show_line(line)
        else:
            self.results.page("".join(map(statuspages.dated, lines)), list(map(statuspages.line_facts, lines)))

    def show_line(self, line: Line) -> None:
        self.results.page(statuspages.dated(line), statuspages.line_facts(line))

    def do_wait(self, arg: str) -> Outcome:
        """wait until services are in a state

        `wait SERVICE ... STATE [--timeout SECONDS]` fails where that takes longer.
        """
        options = _WAIT.read(arg)
        *names, wanted = options.words
        if wanted not in [state.value for state in State]:
            known = ", ".join(state.value for state in State)
            raise CommandError(f"wait: {wanted} is no state; there are: {known}", Status.UNUSABLE)
        keepers = self.named("wait", " ".join(names))
        return Wait(until(self.manager, keepers, State(wanted), options.timeout, self.tell), "wait")

    def do_signal(self, arg: str) -> None:
        """send a signal to services

        `signal SERVICE ... NAME`: to its program, or else to the process that it lives in.
        """
        *names, word = split_words(arg) or [""]
        send_signal(self.named("signal", " ".join(names)), word)

    def do_plan(self, arg: str) -> None:
        """say what a command would do

        `plan stop SERVICE ...`, or `plan restart SERVICE ...`.
        """
        verb, *names = split_words(arg) or [""]
        if verb not in ("stop", "restart") or not (names or self.here):
            raise CommandError("plan: usage: plan stop SERVICE ..., or plan restart SERVICE ...", Status.UNUSABLE)
        keepers = self.meant("plan", names)
        if verb == "restart":
            keepers = self.manager.dependencies.sharing(keepers)
        known = self.permitted("plan")
        for keeper in self.manager.dependencies.stopped_with(keepers):
            if keeper.name in known:
                self.tell(f"{verb} {keeper.name}, which is {keeper.state.value}")

    def do_jobs(self, arg: str) -> None:
        """list the commands that run

        Each with its number, for `cancel`, with who gave it and for how long it runs.
        """
        self.no_words("jobs", arg)
        jobs = self.manager.jobs.shown_to(self.caller)
        self.results.table(list(map(statuspages.job_row, jobs)), list(map(statuspages.job_facts, jobs)))

    def do_cancel(self, arg: str) -> None:
        """end a command that runs

        `cancel ID`; `jobs` lists them.
        """
        words = split_words(arg)
        if len(words) != 1 or not is_number(words[0]):
            raise CommandError("cancel: which job? usage: cancel ID", Status.UNUSABLE)
        self.manager.jobs.cancel(int(words[0]), self.caller)

    def do_watch(self, arg: str) -> Outcome:
        """run a command again and again

        `watch [-n SECONDS] COMMAND ...` shows its output in place every 2 seconds, or so many, until Ctrl-C.
        """
        match = re.match(r"-n\s+(\S+)\s+(.*)", arg, re.DOTALL)
        line = match[2] if match else arg
        try:
            interval = max(some_seconds(seconds(match[1])), SHORTEST_WATCH) if match else WATCH_SECONDS
        except (ValueError, argparse.ArgumentTypeError):
            raise CommandError(
                f"watch: {match and match[1]!r} should be a number of seconds", Status.UNUSABLE
            ) from None
        if not line.strip() or line.split()[0] == "watch":
            raise CommandError("watch: which command? usage: watch [-n SECONDS] COMMAND ...", Status.UNUSABLE)
        return Repeat(f"{line} {JSON}" if self.results.as_data else line, interval)

    async def complete_watch(self, text: str, line: str, begin: int, end: int) -> list[str]:
        _, words = await self.completions((line.lstrip().split(None, 1)[1:] or [""])[0])
        return words

    def do_reload(self, arg: str) -> Outcome:
        """apply changed files and configuration

        `reload [--dry-run]` says what it does, restarts only what has changed, and changes nothing where
        something is wrong; with --dry-run it only says.
        """
        options = _RELOAD.read(arg)
        told: list[str] = []

        def tell(line: str) -> None:
            told.append(line)
            self.tell(line)

        async def reload() -> None:
            if options.dry_run:
                for change in (await self.manager.plan()).changes:
                    tell(str(change))
            else:
                await self.manager.reload(self.caller, tell)
            if not told:
                self.tell("nothing has changed")

        return Work(reload(), "reload")

    # Completion: services, and what else each takes.

    def services_for(self, name: str, text: str, *more: str) -> list[str]:
        """The services that a command may be run on, and other words, as far as they begin with what is typed."""
        return [word for word in [*self.permitted(name), *more] if begins(word, text)]

    def complete_status(self, text: str, *ignored: object) -> list[str]:
        return self.services_for("status", text)

    def complete_start(self, text: str, *ignored: object) -> list[str]:
        return self.services_for("start", text)

    def complete_stop(self, text: str, *ignored: object) -> list[str]:
        return self.services_for("stop", text)

    def complete_restart(self, text: str, *ignored: object) -> list[str]:
        return self.services_for("restart", text)

    def complete_why(self, text: str, *ignored: object) -> list[str]:
        return self.services_for("why", text)

    def complete_logs(self, text: str, *ignored: object) -> list[str]:
        return [*self.services_for("logs", text), *begun(text, "-f", "-n")]

    def complete_events(self, text: str, *ignored: object) -> list[str]:
        return begun(text, "-f", "-n")

    def complete_reload(self, text: str, *ignored: object) -> list[str]:
        return begun(text, "--dry-run")

    def complete_wait(self, text: str, line: str, begin: int, end: int) -> list[str]:
        states = [state.value for state in State] if len(line[:begin].split()) > 1 or self.here else []
        return [*self.services_for("wait", text, *states), *begun(text, "--timeout")]

    def complete_signal(self, text: str, line: str, begin: int, end: int) -> list[str]:
        names = [name.removeprefix("SIG") for name in signal.Signals.__members__]
        signals = names if len(line[:begin].split()) > 1 or self.here else []
        return self.services_for("signal", text, *signals)

    def complete_plan(self, text: str, line: str, begin: int, end: int) -> list[str]:
        if len(line[:begin].split()) > 1:
            return self.services_for("plan", text)
        return [verb for verb in ("restart", "stop") if verb.startswith(text)]


def is_known(line: str, known: Container[str], every: Container[str]) -> bool:
    """Whether a line is about one of these services, or about none of all."""
    name = line.partition(":")[0]
    return name in known or name not in every


def begun(text: str, *options: str) -> list[str]:
    """The options of which some is typed already."""
    return [option for option in options if text and begins(option, text)]
