"""The shell of one node, as if its user were connected there: lines are edited here, and run and completed there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import Any

from smanager.fleet.fleet import Fleet, FleetError, heard_of
from smanager.fleet.hub import HubError
from smanager.terminal.text import visible

Read = Callable[[str, Callable[[str], tuple[int, list[str]]]], str]
"""Reads a line, given the prompt and what completes: a line to the start of its last word and the possible words."""


class EnteredNode:
    """A node that is entered; `exit` and Ctrl-D go up one level, as they do there."""

    def __init__(self, fleet: Fleet, name: str, read: Read) -> None:
        self._fleet = fleet
        self._name = name
        self._read = read
        self._shell: str | None = ""  # the service whose shell it is; None once the node is left

    def run(self) -> None:
        """Raises FleetError if the node does not answer at first."""
        self._call("whoami", [])
        while self._shell is not None:
            try:
                shell = " ".join(visible(self._shell).split())
                line = self._read(f"{self._name}{f' {shell}' if shell else ''}> ", self._completed)
            except EOFError:
                print()
                line = "exit"
            except KeyboardInterrupt:
                print()
                continue
            if line.strip() == "exit" and not self._shell:
                return
            self._carry_out(line)

    def _carry_out(self, line: str) -> None:
        columns = shutil.get_terminal_size().columns
        params = {"line": line, "stream": True, "shell": self._shell, "columns": columns}
        try:
            for heard in heard_of(self._fleet, "shell.execute", params, [self._name]):
                match heard.kind, heard.value:
                    case "item", str(text):
                        sys.stdout.write(visible(text))
                        sys.stdout.flush()
                    case "result", {"shell": None | str() as shell}:
                        self._shell = shell
                    case "progress", _:
                        pass
                    case "error", [_, str(message), _]:
                        print(f"*** {visible(message)}")
                    case _:
                        print(f"*** {self._name} does not answer")
        except KeyboardInterrupt:  # which has ended the command there
            print()

    def _completed(self, line: str) -> tuple[int, list[str]]:
        try:
            match self._call("shell.complete", {"line": line, "shell": self._shell}):
                case {"start": int(start), "matches": [*words]} if 0 <= start <= len(line):
                    return start, [word for word in words if isinstance(word, str) and word == visible(word)]
        except (FleetError, HubError):
            pass
        return len(line), []

    def _call(self, method: str, params: list[Any] | dict[str, Any]) -> Any:
        """Raises FleetError."""
        for heard in heard_of(self._fleet, method, params, [self._name]):
            if heard.kind == "result":
                return heard.value
            problem = heard.value[1] if heard.kind == "error" else "not connected"
            raise FleetError({self._name: problem}, {})
        raise FleetError({self._name: "no answer"}, {})
