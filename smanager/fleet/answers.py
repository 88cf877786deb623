"""What many nodes have answered, as it comes: equal answers together, and each line with its node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any

from smanager.fleet.asking import GONE, SILENT, Heard
from smanager.fleet.known import KnownNodes, last_seen
from smanager.terminal.text import visible
from smanager.terminal.wording import duration_text

PATIENCE_SECONDS = 0.5  # for which a node's lines wait for its end, so that they can be shown with equal ones
WAITING_LIMIT = 64 * 1024  # characters of a node's answer that wait for more, lest lines without an end fill the memory
ANSWER_LIMIT = 16 * 1024 * 1024  # characters of a node's whole answer, which JSON waits for: 1,000 lines of 16 KB
NAMED = 3  # nodes that are named before an answer that they share; of more, only the number
DONE, FAILED, NO_ANSWER = 0, 1, 3  # exit statuses, as tshell has them
LARGEST_STATUS = 255  # that a process can exit with
ERROR_MARK = "*** "

Write = Callable[[str], object]


class NodeAnswer:
    """What one node has answered so far."""

    def __init__(self) -> None:
        self.size = 0  # characters that are not shown yet
        self.since = 0.0  # when the first of them came, or the end of the command
        self.status: int | None = None  # None while the command runs
        self.shown = False  # whether anything of it was shown
        self._text = StringIO()  # what is not shown yet, however many parts that came in

    def add(self, text: str) -> None:
        self.size += self._text.write(text)

    def add_problem(self, problem: str) -> None:
        """Add a line of its own."""
        is_in_line = self.size and not self._text.getvalue().endswith("\n")
        self.add("\n" * bool(is_in_line) + f"{ERROR_MARK}{problem}\n")

    def rest(self) -> str:
        """All that is not shown yet, and is now."""
        text = self._text.getvalue()
        self._text, self.size, self.shown = StringIO(), 0, True
        return text

    def due(self) -> str | None:
        """What can be shown: all that has come of a command that has ended, or else whole lines; None for nothing.

        A line that is too long to wait for its end is shown in pieces, each like a line.
        """
        if self.status is not None:
            return self.rest() if self.size or not self.shown else None
        if self.size < WAITING_LIMIT and "\n" not in self._text.getvalue():
            return None
        text = self.rest()
        lines, newline, begun = text.rpartition("\n")
        if not newline:
            return text
        self.add(begun)
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
        if node.status is not None:
            return
        match heard.kind, heard.value:
            case "item", str(text):
                node.since = node.since if node.size else self._clock()
                self._add(node, text)
            case "result", {"status": int(status)} if DONE <= status <= LARGEST_STATUS:
                self._end(node, status)
            case "item" | "result", _:
                self._fail(node, "its answer is not right")
            case "error", [_, str(message), _]:
                self._fail(node, message)
            case kind, _ if kind in (SILENT, GONE):
                self._fail(node, self._absence(heard.node, kind), NO_ANSWER)

    def late(self, names: Iterable[str], seconds: float) -> None:
        """These have not answered in time."""
        for name in names:
            node = self._nodes.setdefault(name, NodeAnswer())
            if node.status is None:
                self._fail(node, f"not done within {duration_text(seconds)}", NO_ANSWER)

    def are_over(self, names: Iterable[str]) -> bool:
        """Whether nothing more is expected of any of these."""
        return all(name in self._nodes and self._nodes[name].status is not None for name in names)

    def show(self, everything: bool = False) -> None:
        """Show what has come, and has waited long enough for what may be equal to it."""
        groups: dict[tuple[str, int | None], list[str]] = {}
        for name, node in self._nodes.items():
            if (everything or self._has_waited(node)) and (text := node.due()) is not None:
                groups.setdefault((text, node.status), []).append(name)
        for (text, status), names in groups.items():
            self._print(text, status, sorted(names))

    def _has_waited(self, node: NodeAnswer) -> bool:
        is_full = node.size >= WAITING_LIMIT
        return is_full or not self._for_person or node.since < self._clock() - PATIENCE_SECONDS

    def _add(self, node: NodeAnswer, text: str) -> None:
        node.add(text)

    def _fail(self, node: NodeAnswer, problem: str, status: int = FAILED) -> None:
        node.add_problem(problem)
        self._end(node, status)

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
                self._write(json.dumps({"node": name, "status": node.status, "answer": answer_of(node.rest())}) + "\n")

    def _add(self, node: NodeAnswer, text: str) -> None:
        if node.size + len(text) <= ANSWER_LIMIT:
            node.add(text)
        else:
            self._fail(node, f"an answer of more than {ANSWER_LIMIT} characters")


def answer_of(text: str) -> Any:
    """What a line of commands has answered in JSON: one value, or a list of several; text that is not JSON as text."""
    try:
        values = [json.loads(line) for line in text.splitlines()]
    except (ValueError, RecursionError):
        return text.strip()
    return values[0] if len(values) == 1 else values
