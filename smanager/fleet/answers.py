"""What many nodes have answered, as it comes: equal answers together, and each line with its node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from smanager.fleet.asking import GONE, SILENT, Heard
from smanager.fleet.known import KnownNodes, last_seen
from smanager.terminal.text import visible
from smanager.terminal.wording import duration_text

PATIENCE_SECONDS = 0.5  # for which a node's lines wait for its end, so that they can be shown with equal ones
NAMED = 3  # nodes that are named before an answer that they share; of more, only the number
DONE, FAILED, NO_ANSWER = 0, 1, 3  # exit statuses, as tshell has them
LARGEST_STATUS = 255  # that a process can exit with
ERROR_MARK = "*** "

Write = Callable[[str], object]


class NodeAnswer:
    """What one node has answered so far."""

    def __init__(self) -> None:
        self.text = ""  # what is not shown yet
        self.since = 0.0  # when the first of that came, or the end of the command
        self.status: int | None = None  # None while the command runs
        self.shown = False  # whether anything of it was shown

    def due(self) -> str | None:
        """What can be shown: all that has come of a command that has ended, or else whole lines; None for nothing."""
        if self.status is not None:
            lines, rest = self.text, ""
            if self.shown and not lines:
                return None
        else:
            lines, newline, rest = self.text.rpartition("\n")
            if not newline:
                return None
        self.text, self.shown = rest, True
        return lines


class Answers:
    """The answers to one command line; `status` is the worst so far."""

    def __init__(self, write: Write, complain: Write, known: KnownNodes, clock: Callable[[], float], for_person: bool):
        """`complain` writes what went wrong. For a person, equal answers are shown together."""
        self._write = write
        self._complain = complain
        self._known = known
        self._clock = clock
        self._for_person = for_person
        self._nodes: dict[str, NodeAnswer] = {}
        self.failures = 0
        self.status = DONE

    def take(self, heard: Heard) -> None:
        """Take what comes of `shell.execute` on a node."""
        node = self._nodes.setdefault(heard.node, NodeAnswer())
        match heard.kind, heard.value:
            case "item", str(text):
                node.since = node.since if node.text else self._clock()
                node.text += text
            case "result", {"status": int(status)} if DONE <= status <= LARGEST_STATUS:
                self._end(node, status)
            case "item" | "result", _:
                node.text += f"{ERROR_MARK}its answer is not right\n"
                self._end(node, FAILED)
            case "error", [_, str(message), _]:
                node.text += f"{ERROR_MARK}{message}\n"
                self._end(node, FAILED)
            case kind, _ if kind in (SILENT, GONE):
                node.text += f"{ERROR_MARK}{self._absence(heard.node, kind)}\n"
                self._end(node, NO_ANSWER)

    def late(self, names: Iterable[str], seconds: float) -> None:
        """These have not answered in time."""
        for name in names:
            node = self._nodes.setdefault(name, NodeAnswer())
            if node.status is None:
                node.text += f"{ERROR_MARK}not done within {duration_text(seconds)}\n"
                self._end(node, NO_ANSWER)

    def show(self, everything: bool = False) -> None:
        """Show what has come, and has waited long enough for what may be equal to it."""
        now = self._clock()
        groups: dict[tuple[str, int | None], list[str]] = {}
        for name, node in self._nodes.items():
            is_due = everything or not self._for_person or node.since < now - PATIENCE_SECONDS
            if is_due and (text := node.due()) is not None:
                groups.setdefault((text, node.status), []).append(name)
        for (text, status), names in groups.items():
            self._print(text, status, sorted(names))

    def _end(self, node: NodeAnswer, status: int) -> None:
        node.status = status
        node.since = self._clock()
        self.status = max(self.status, status)
        self.failures += status != DONE

    def _print(self, text: str, status: int | None, names: list[str]) -> None:
        together = [names] if self._for_person else [[name] for name in names]
        for group in together:
            label = ", ".join(group) if len(group) <= NAMED else f"{len(group)} nodes"
            lines = text.splitlines() or ([] if status is None or not self._for_person else ["done"])
            for line in lines:
                is_problem = line.startswith(ERROR_MARK)  # stderr may be a terminal where stdout is none
                write = self._complain if is_problem else self._write
                write(f"{label}: {visible(line) if self._for_person or is_problem else line}\n")

    def _absence(self, name: str, kind: str) -> str:
        if kind == GONE:
            return "gone before the command was done"
        return f"not connected; {last_seen(self._known[name].seen, time.time())}"


class JsonAnswers(Answers):
    """The answers as JSON: an object for each node, in a line."""

    def show(self, everything: bool = False) -> None:
        for name, node in self._nodes.items():
            if node.status is not None and not node.shown:
                node.shown = True
                self._write(json.dumps({"node": name, "status": node.status, "answer": answer_of(node.text)}) + "\n")


def answer_of(text: str) -> Any:
    """What a line of commands has answered in JSON: one value, or a list of several; text that is not JSON as text."""
    try:
        values = [json.loads(line) for line in text.splitlines()]
    except (ValueError, RecursionError):
        return text.strip()
    return values[0] if len(values) == 1 else values
