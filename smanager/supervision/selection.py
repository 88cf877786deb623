"""Which services a name or a pattern of names stands for."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from smanager.commands.record import CommandError, Status

T = TypeVar("T")

PATTERN_LIMIT = 200
"""Characters of a service's name, or a pattern of names, that somebody gives."""

_WILD = re.compile(r"[*?\[]")


def chosen(patterns: Sequence[str], among: Mapping[str, T]) -> list[T]:
    """Those that names and patterns (`web*`, `all`) stand for.

    Raises CommandError where one stands for none.
    """
    found: dict[str, T] = {}
    for pattern in patterns:
        names = _names(pattern, among)
        if not names:
            known = ", ".join(among) or "none"
            raise CommandError(f"no service is called {pattern}; there are: {known}", Status.UNUSABLE)
        found.update((name, among[name]) for name in names)
    return list(found.values())


def _names(pattern: str, among: Mapping[str, object]) -> list[str]:
    if len(pattern) > PATTERN_LIMIT:
        raise CommandError(f"no service has a name of {len(pattern)} characters", Status.UNUSABLE)
    if pattern == "all":
        return list(among)
    if _WILD.search(pattern):  # for these alone, since fnmatch keeps what it has compiled
        return fnmatch.filter(among, pattern)
    return [pattern] if pattern in among else []
