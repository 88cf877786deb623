"""The services that a caller names for one of the manager's own commands: names, patterns (`web*`), or `all`."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from smanager.access.callers import Caller
from smanager.commands.record import Command, CommandError, Status
from smanager.supervision.keeper import Keeper
from smanager.terminal.text import begins

ALL = "all"

NAME_LIMIT = 200
"""Characters of a service's name or pattern: matching takes time that the caller must not choose."""

_WILD = re.compile(r"[*?\[]")


def permitted(keepers: Mapping[str, Keeper], caller: Caller, command: Command) -> dict[str, Keeper]:
    """The services on which a caller may run one of the manager's own commands."""
    allow = caller.permissions.allow_on
    return {name: keepers[name] for name in sorted(keepers) if allow(command, name)}


class Selection:
    """What a caller has named, looked up when the command needs it."""

    def __init__(
        self, words: Sequence[str], command: Command, permitted: Mapping[str, Keeper], here: str, abbreviates: bool
    ) -> None:
        """Without words, the selection is the service `here`, in whose shell the command is given, or else all.

        A caller who `abbreviates` may cut names short.
        """
        self.words = [self._in_full(word, permitted, abbreviates) for word in words] or ([here] if here else [])
        self.permitted = permitted
        self._command = command

    @cached_property
    def keepers(self) -> list[Keeper]:
        """The services, each once. Raises CommandError for an unknown name, and where the command needs one."""
        parameter = self._command.about_services
        if not self.words and parameter and parameter.required:
            name = self._command.name
            raise CommandError(f"{name}: which service? usage: {name} SERVICE ..., or {ALL}", Status.UNUSABLE)
        return self.find(self.words or [ALL])

    def find(self, words: Sequence[str]) -> list[Keeper]:
        """The services of these names and patterns, each once. Raises CommandError for an unknown name."""
        return list({name: self.permitted[name] for word in words for name in self._names(word)}.values())

    def _names(self, word: str) -> Sequence[str]:
        if len(word) > NAME_LIMIT:
            raise CommandError(f"a service's name of {len(word)} characters; at most {NAME_LIMIT}", Status.UNUSABLE)
        if word == ALL:
            return list(self.permitted)
        # fnmatch caches what it compiles, so it is asked about patterns only.
        matches = fnmatch.filter(self.permitted, word) if _WILD.search(word) else [word]
        names = [name for name in matches if name in self.permitted]
        if not names:
            known = ", ".join(self.permitted) or "none"
            raise CommandError(f"unknown service {word}; known: {known}", Status.UNUSABLE)
        return names

    @staticmethod
    def _in_full(word: str, known: Mapping[str, Keeper], abbreviates: bool) -> str:
        """A name with underscores for dashes, or completed if the caller may abbreviate and only one name begins so."""
        if word in known or word == ALL:
            return word
        if (name := word.replace("-", "_")) in known:
            return name
        matches = [name for name in known if begins(name, word)] if abbreviates else []
        return matches[0] if len(matches) == 1 else word
