"""`[runs]`: which runs of commands are kept, and how much of them."""

from __future__ import annotations

from dataclasses import dataclass

from smanager.access.roles import matches, pattern_in_one_spelling
from smanager.config import checks
from smanager.config.checks import keys_of, setting
from smanager.terminal.text import one_spelling

MOST_OUTPUT = 4_000_000  # characters of one run: they are read at once, and sent to whoever asks

_commands = checks.list_of(checks.text, 'a list of commands, such as ["backup.*", "restart"]')


@dataclass(frozen=True, slots=True)
class RunSettings:
    always: tuple[str, ...] = setting(
        _commands, "commands whose runs are all kept, by names and patterns, unless they have `kept=False`", []
    )
    never: tuple[str, ...] = setting(_commands, "commands of which no run is kept, whatever else says so", [])
    longer_than: float = setting(
        checks.seconds, "seconds; of other commands, a run is kept that took longer, failed, or was detached", 1
    )
    output: int = setting(
        checks.whole(1000, MOST_OUTPUT), "characters kept of one run's output, half of them from its end", 100_000
    )
    most: int = setting(checks.whole(1), "number of runs kept", 1000)
    size: int = setting(checks.whole(1), "bytes of all runs that are kept", 100 * 1024 * 1024)

    def choice(self, name: str) -> bool | None:
        """Whether the runs of a command of this name, such as `backup.full`, are kept; None if that depends."""
        name = one_spelling(name)
        for patterns, kept in ((self.never, False), (self.always, True)):
            if matches(name, map(pattern_in_one_spelling, patterns)):
                return kept
        return None


KEYS = keys_of(RunSettings)
