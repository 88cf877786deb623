"""Runs a line of commands on many nodes: asks first, goes on batch by batch, and stops at failures."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator

from smanager.fleet.answers import ERROR_MARK, Answers, JsonAnswers
from smanager.fleet.fleet import Fleet, Nodes, asked
from smanager.fleet.selection import SelectionError
from smanager.fleet.wishes import Wish

LOOK_SECONDS = 0.2  # from one look at what has come to the next
BAR_CELLS = 20


class Asker:
    """Asks nodes what a person, or a script, has typed."""

    def __init__(self, fleet: Fleet, confirm: Callable[[str], bool]) -> None:
        """`confirm` puts a question to whoever sits there; returns whether the answer is yes."""
        self._fleet = fleet
        self._confirm = confirm
        self._is_person = os.isatty(1)
        self._told = ""  # the problem with the hub that was last shown

    def run(self, wish: Wish) -> int:
        """Run the line on the nodes that are meant; return the exit status. Raises SelectionError."""
        names = Nodes(self._fleet, wish.selection).names
        if len(names) > 1 and not wish.yes and not self._may_change(wish.line, names):
            return 1
        kind = JsonAnswers if wish.json else Answers
        screen = AnswerScreen()
        answers = kind(screen.write, screen.complain, self._fleet.client.known, time.monotonic, self._is_person)
        batches = list(_batches(names, wish.batch))
        for number, batch in enumerate(batches):
            if number and answers.failures >= wish.stop_after:
                left = sum(map(len, batches[number:]))
                failures = f"{answers.failures} failure{'s' * (answers.failures > 1)}"
                stopped = f"stopped after {failures}: {left} of {len(names)} nodes were not asked"
                screen.complain(f"{ERROR_MARK}{stopped}\n")
                break
            if number:
                time.sleep(wish.pause)
            self._ask(wish, batch, answers, screen)
            if len(batches) > 1 and self._is_person:
                screen.bar(sum(map(len, batches[: number + 1])), len(names), answers.failures)
        screen.end()
        return answers.status

    def _may_change(self, line: str, names: list[str]) -> bool:
        """Whether the line may run on all these: it changes nothing, or the user has agreed."""
        if self._fleet.wait(self._fleet.client.is_read_only(line, names)):
            return True
        if not os.isatty(0):
            raise SelectionError(f"{line!r} may change something on {len(names)} nodes; say --yes if you mean it")
        return self._confirm(f"{line} on {len(names)} nodes? [y/N] ")

    def _tell_of_hub(self, screen: AnswerScreen) -> None:
        """Say once that the hub is lost, or that it refuses something."""
        problem = self._fleet.client.problem
        if problem and problem != self._told:
            screen.complain(f"{ERROR_MARK}{problem}\n")
        self._told = problem

    def _ask(self, wish: Wish, names: list[str], answers: Answers, screen: AnswerScreen) -> None:
        columns = max(20, os.get_terminal_size().columns - max(map(len, names)) - 2) if self._is_person else 0
        params = {"line": wish.line, "stream": True, "json": wish.json, "columns": 0 if wish.json else columns}
        deadline = None if wish.deadline is None else time.monotonic() + wish.deadline
        with asked(self._fleet, "shell.execute", params, names) as asking:
            try:
                while not answers.are_over(names):
                    try:
                        heard = self._fleet.wait(asyncio.wait_for(asking.some(), LOOK_SECONDS))
                        if not heard:
                            break
                    except TimeoutError:
                        heard = []
                        self._tell_of_hub(screen)
                    for one in heard:
                        answers.take(one)
                    answers.show()
                    if deadline is not None and time.monotonic() >= deadline:
                        answers.late(names, wish.deadline or 0.0)
            finally:
                answers.show(everything=True)


def _batches(names: list[str], size: int) -> Iterator[list[str]]:
    size = size or len(names)
    for start in range(0, len(names), size):
        yield names[start : start + size]


class AnswerScreen:
    """Where answers are written, and below them how far a change has come."""

    def __init__(self) -> None:
        self._has_bar = False

    def write(self, text: str) -> None:
        self._wipe()
        sys.stdout.write(text)
        sys.stdout.flush()

    def complain(self, text: str) -> None:
        self._wipe()
        sys.stderr.write(text)
        sys.stderr.flush()

    def bar(self, done: int, total: int, failures: int) -> None:
        """Show how many of the nodes are done, in place of the bar before."""
        full = BAR_CELLS * done // total
        failed = f", {failures} failed" if failures else ""
        self._wipe()
        sys.stdout.write(f"[{'#' * full}{'-' * (BAR_CELLS - full)}] {done}/{total}{failed}")
        self._has_bar = done < total
        if not self._has_bar:
            sys.stdout.write("\n")
        sys.stdout.flush()

    def end(self) -> None:
        """Leave the bar, if there is one, as it is."""
        if self._has_bar:
            sys.stdout.write("\n")
        self._has_bar = False

    def _wipe(self) -> None:
        if self._has_bar:
            sys.stdout.write("\r\x1b[K")  # EL: to the end of the line (ECMA-48)
            self._has_bar = False
