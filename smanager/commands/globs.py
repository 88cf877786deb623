"""Patterns for names, as a shell has them: `*`, `?`, `[abc]`, `[a-z]` and `[!a]`; case counts.

`fnmatch` compiles each pattern to a regular expression, which takes up to 15 ms, and callers may send thousands. Here a
match takes at most as many steps as the name's characters times the pattern's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

Fits = Callable[[str], bool]  # whether a character fits one place of a pattern

_WILD = frozenset("*?[")
_READ = 1000  # patterns that stay read: more than a configuration's roles have


def is_glob(word: str) -> bool:
    return not _WILD.isdisjoint(word)


def globbed(name: str, pattern: str) -> bool:
    """Whether a whole name matches a pattern."""
    return name == pattern if _WILD.isdisjoint(pattern) else _read(pattern).matches(name)


class Glob:
    """A pattern, read once for many names."""

    def __init__(self, pattern: str) -> None:
        self._places: list[Fits | None] = []  # None: any number of characters
        index = 0
        while index < len(pattern):
            place, index = _place(pattern, index)
            if place or self._places[-1:] != [None]:  # two stars are one
                self._places.append(place)

    def matches(self, name: str) -> bool:
        """Whether the whole name matches: each star takes as little as it can, and the last one takes more."""
        places = self._places
        place = at = 0
        star, tried = -1, 0  # the last star, and where what stands behind it was tried
        while at < len(name):
            if place < len(places) and (fits := places[place]) is None:
                star, tried = place, at
                place += 1
            elif place < len(places) and fits and fits(name[at]):
                place, at = place + 1, at + 1
            elif star >= 0:
                tried += 1
                place, at = star + 1, tried
            else:
                return False
        return places[place:] in ([], [None])


_read = lru_cache(_READ)(Glob)


def _place(pattern: str, index: int) -> tuple[Fits | None, int]:
    """The place of a pattern that begins at an index, and the index behind it."""
    character = pattern[index]
    if character == "*":
        return None, index + 1
    if character == "?":
        return _anything, index + 1
    if character == "[":
        begin = index + 1 + pattern.startswith("!", index + 1)
        end = pattern.find("]", begin + 1)  # a `]` at the beginning is one of the characters
        if end >= 0:
            return _one_of(pattern[begin:end], begin > index + 1), end + 1
    return character.__eq__, index + 1


def _anything(character: str) -> bool:
    return True


def _one_of(characters: str, negated: bool) -> Fits:
    single, ranges = set(characters), []
    for index in range(1, len(characters) - 1):
        if characters[index] == "-":
            single.discard("-")
            ranges.append((characters[index - 1], characters[index + 1]))

    def fits(character: str) -> bool:
        found = character in single or any(first <= character <= last for first, last in ranges)
        return found is not negated

    return fits
