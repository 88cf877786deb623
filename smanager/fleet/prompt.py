"""The prompt of a fleet: the commands of all boxes from one place, `tshell --fleet HUB`."""

from __future__ import annotations

import cmd
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from smanager.fleet.answers import DONE, FAILED
from smanager.fleet.asker import Asker
from smanager.fleet.asking import SILENT
from smanager.fleet.causes import are_services, causes_of, state_summary
from smanager.fleet.entered import EnteredNode
from smanager.fleet.fleet import Fleet, FleetError, Nodes, heard_of
from smanager.fleet.hub import HubError
from smanager.fleet.known import last_seen, row_of
from smanager.fleet.selection import SelectionError
from smanager.fleet.wishes import HELP, Wish, nodes_wish_of, plain_words_of, scattered_wish_of, wish_on_nodes, words_of
from smanager.terminal.tables import table
from smanager.terminal.text import visible
from smanager.terminal.wording import duration_text

try:
    import readline
except ImportError:  # a Python built without readline: plain lines only
    readline = None  # type: ignore[assignment]  # a module or nothing

NO_HUB = 3  # the exit status when there is no hub, as tshell has it where no server answers
FORGET = "--forget"
UNUSABLE = 2  # the status of an unknown command, or of wrong arguments


class FleetPrompt(cmd.Cmd):
    """Takes lines; `status` is that of the last one."""

    intro = "help shows what can be done; exit or Ctrl-D leaves."
    ruler = "-"

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self._fleet = fleet
        self._asker = Asker(fleet, self._confirmed)
        self.prompt = f"{fleet.client.user.access.name}> "
        self.status = DONE

    def run_line(self, line: str) -> int:
        """Run a line; return its status."""
        self.onecmd(line)
        return self.status

    def run_lines(self, lines: Iterable[str]) -> int:
        """Run lines until one leaves; return the worst status."""
        worst = DONE
        for line in lines:
            leaves = self.onecmd(line)
            worst = max(worst, self.status)
            if leaves:
                break
        return worst

    def cmdloop(self, intro: str | None = None) -> None:
        """Take lines until one leaves; Ctrl-C gives up the line that is typed, as in a shell."""
        while True:
            try:
                return super().cmdloop(intro)
            except KeyboardInterrupt:
                print()
                intro = ""

    # Commands. Each is documented where `help` shows it.

    def do_nodes(self, line: str) -> None:
        """nodes [NODES] [-l KEY=VALUE]: list the nodes that are known, how they are, and when they were last seen

        --forget makes nodes unknown that do not exist any more.
        """
        words = words_of(line)
        forgets = FORGET in words
        wish = self._read(nodes_wish_of(shlex.join(word for word in words if word != FORGET)))
        connected = {node.name for node in self._fleet.nodes()}
        known = self._fleet.client.known
        names = wish.selection.among(known[name] for name in known.names)
        if forgets:
            known.forget(set(names) - connected)
            return
        states = self._states([name for name in names if name in connected])
        now = time.time()
        rows = [row_of(known[name], name in connected, now, states.get(name, "no answer")) for name in names]
        self._show(wish, rows, "name")

    def do_on(self, line: str) -> None:
        """on NODES [OPTIONS] COMMAND: run a command on nodes, by names, patterns, and all

        For example: on kiosk* -l site=lab3 web restart
        """
        wish = self._read(wish_on_nodes(line))
        self.status = self._asker.run(wish)

    def do_status(self, line: str) -> None:
        """status [@NODES] [-l KEY=VALUE] [SERVICES]: show how services are on all nodes, in one table"""
        wish = self._read(scattered_wish_of(line))
        rows = []
        for name, services in sorted(self._answers(wish, "status").items()):
            for service in services:
                age = duration_text(service["age"]) if service.get("age") is not None else "-"
                rows.append(
                    {"node": name, "service": service["name"], "state": service["state"], "since": age}
                    | {"restarts": service["restarts"], "reason": service.get("reason") or "-"}
                )
        self._show(wish, rows, "node")

    def do_why(self, line: str) -> None:
        """why [@NODES] [-l KEY=VALUE] [SERVICES]: tell what is wrong, and on which nodes, grouped by its cause"""
        wish = self._read(scattered_wish_of(line))
        answers = self._answers(wish, "status")
        for cause, names in causes_of(answers):
            self._say(f"{cause}\n    {', '.join(names)}\n")
        wrong = {name for _, names in causes_of(answers) for name in names}
        if well := len(answers) - len(wrong):
            self._say(f"{well} node{'s' * (well > 1)}: all services are well\n")

    def do_logs(self, line: str) -> None:
        """logs [@NODES] [-l KEY=VALUE] ARGUMENTS: show what services printed; -f follows"""
        self._pass_on("logs", line)

    def do_events(self, line: str) -> None:
        """events [@NODES] [-l KEY=VALUE] ARGUMENTS: show what happened to services, likewise; -f follows"""
        self._pass_on("events", line)

    def do_enter(self, line: str) -> None:
        """enter NODE: use the shell of a node as if connected there, with its own help and Tab"""
        selection = nodes_wish_of(line).selection
        names = Nodes(self._fleet, selection).names
        if len(names) != 1:
            raise SelectionError(f"usage: enter NODE; {selection} means {len(names)} nodes, and should mean one")
        EnteredNode(self._fleet, names[0], self._line_of).run()

    def do_exit(self, line: str) -> bool:
        """exit: leave"""
        return True

    do_quit = do_exit

    def do_EOF(self, line: str) -> bool:  # noqa: N802  # as `cmd` calls the end of the input
        """Leave, as exit does"""
        print()
        return True

    # How lines run, and what is shown.

    def onecmd(self, line: str) -> bool:
        self.status = DONE
        try:
            return bool(super().onecmd(line))
        except SelectionError as error:
            self._fail(str(error), UNUSABLE)
        except FleetError as error:
            for node, problem in error.problems.items():
                self._fail(f"{node}: {problem}", FAILED)
        except HubError as error:
            self._fail(str(error), NO_HUB)
        except KeyboardInterrupt:
            self._fail("ended, also on the nodes", FAILED)
        return False

    def emptyline(self) -> bool:
        return False

    def default(self, line: str) -> None:
        self._fail(f"unknown command {line.split()[0]}; `on NODES {line}` runs it on nodes", UNUSABLE)

    def do_help(self, arg: str) -> None:
        """help: show this"""
        methods = {name: getattr(self, f"do_{name}") for name in self.completenames("") if name != "EOF"}
        if arg in methods:
            self._say("\n".join(line.strip() for line in methods[arg].__doc__.splitlines()).strip() + "\n")
            return
        for name in ("nodes", "status", "why", "on", "logs", "events", "enter", "exit"):
            self._say(f"{methods[name].__doc__.splitlines()[0]}\n")
        self._say(f"Options of commands to nodes:\n{HELP}")

    def completedefault(self, text: str, *_: Any) -> list[str]:
        return [name for name in self._fleet.client.known.names if name.startswith(text)]

    def completenames(self, text: str, *ignored: Any) -> list[str]:
        return [name for name in super().completenames(text, *ignored) if name != "EOF"]

    def _pass_on(self, command: str, line: str) -> None:
        wish = self._read(scattered_wish_of(line))
        self.status = self._asker.run(wish.with_line(f"{command} {wish.line}"))

    def _read(self, wish: Wish) -> Wish:
        wish.selection  # noqa: B018  # raises where it is wrong, before any node is asked
        return wish

    def _answers(self, wish: Wish, method: str) -> dict[str, Any]:
        """What nodes answer to a method about services; who does not is told of."""
        services = plain_words_of(wish.line, "a service")
        try:
            answers = Nodes(self._fleet, wish.selection).call(method, services=services)
        except FleetError as error:
            for node, problem in error.problems.items():
                self._fail(f"{node}: {self._absence(node, problem)}", FAILED)
            answers = dict(error.results)
        for node in [node for node, services in answers.items() if not are_services(services)]:
            self._fail(f"{node}: its answer is not right", FAILED)
            del answers[node]
        return answers

    def _absence(self, node: str, problem: str) -> str:
        if problem != SILENT:
            return problem
        return f"not connected; {last_seen(self._fleet.client.known[node].seen, time.time())}"

    def _states(self, names: list[str]) -> dict[str, str]:
        """How the services of nodes are, in a few words."""
        states = {}
        for heard in heard_of(self._fleet, "status", [], names):
            if heard.kind == "result":
                is_right = are_services(heard.value)
                states[heard.node] = state_summary(heard.value) if is_right else "its answer is not right"
            elif heard.kind == "error":
                states[heard.node] = heard.value[1]
        return states

    def _show(self, wish: Wish, rows: list[dict[str, Any]], key: str) -> None:
        """A table, or with --json an object for each row."""
        if wish.json:
            self._say("".join(json.dumps(row) + "\n" for row in rows))
        elif rows:
            columns = os.get_terminal_size().columns if os.isatty(1) else 0
            self._say(table([{name.upper(): row[name] for name in row} for row in rows], columns, 1))

    def _say(self, text: str) -> None:
        sys.stdout.write(visible(text) if os.isatty(1) else text)
        sys.stdout.flush()

    def _fail(self, message: str, status: int) -> None:
        self.status = max(self.status, status)
        sys.stdout.flush()
        print(f"*** {visible(message)}", file=sys.stderr)

    def _confirmed(self, question: str) -> bool:
        try:
            return self._line_of(question, lambda line: (len(line), [])).strip().lower() in ("y", "yes")
        except EOFError:
            print()
            return False

    def _line_of(self, prompt: str, completed: Callable[[str], tuple[int, list[str]]]) -> str:
        """Read a line that others complete."""
        if not readline or not os.isatty(0):
            return input(prompt)
        before = readline.get_completer()
        words: list[str] = []

        def complete(text: str, state: int) -> str | None:
            if state == 0:
                typed = readline.get_line_buffer()[: readline.get_endidx()]
                start, matches = completed(typed)
                kept = len(typed) - len(text) - start  # readline's word begins later than that of the node
                words[:] = [match[kept:] + " " for match in matches] if kept >= 0 else []
            return words[state] if state < len(words) else None

        readline.set_completer(complete)
        readline.parse_and_bind("tab: complete")
        try:
            return input(prompt)
        finally:
            readline.set_completer(before)


def run(hub: str, words: Sequence[str], is_person: bool) -> int:
    """Run a command given as words, or else a prompt or the lines on stdin; return the exit status."""
    try:
        with Fleet(hub) as fleet:
            prompt = FleetPrompt(fleet)
            if words:
                return prompt.run_line(words[0] if len(words) == 1 else shlex.join(words))
            if is_person:
                if readline:
                    readline.set_completer_delims(" \t\n,")
                prompt.cmdloop()
                return DONE
            return prompt.run_lines(sys.stdin)
    except HubError as error:
        print(f"tshell: {error}", file=sys.stderr)
        return NO_HUB
