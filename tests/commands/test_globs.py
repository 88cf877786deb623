"""Patterns match what a shell's do, in a number of steps that no pattern can blow up."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smanager.commands.globs import Glob, globbed, is_glob

names = st.text("ab-]!c.", max_size=8)
patterns = st.text("ab-]!c*?[.", max_size=10)


@given(names, patterns)
@example("a", "[]a]")
@example("]", "[]]")
@example("]", "[!]]")
@example("[a", "[a")
@example("b", "[a-c]")
@example("-", "[a-]")
@example("", "*")
@example("ab", "*a*b*")
def test_a_pattern_matches_what_fnmatch_says(name: str, pattern: str) -> None:
    if "-" not in pattern.strip("-"):  # of odd ranges, such as [a--c], each implementation has its own reading
        assert globbed(name, pattern) is fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("[a-c]x", "bx", True),
        ("[a-c]x", "-x", False),
        ("[a-cx-z]", "y", True),
        ("[!a-c]", "b", False),
        ("[a-]", "-", True),
        ("[-a]", "-", True),
        ("web*", "web", True),
        ("web*", "WEB", False),
        ("web*", "we\nb", False),
        ("w*b", "w\nb", True),
    ],
)
def test_ranges_and_letters(pattern: str, name: str, matches: bool) -> None:
    assert is_glob(pattern)
    assert globbed(name, pattern) is matches


def test_stars_cost_steps_and_no_more() -> None:
    class Counted(str):
        looked = 0

        def __getitem__(self, index: object) -> str:
            Counted.looked += 1
            return super().__getitem__(index)  # type: ignore[index]  # an index, whatever kind

    name = Counted("a" * 60)
    pattern = "*a" * 30 + "*b"
    assert not Glob(pattern).matches(name)
    assert Counted.looked <= len(name) * len(pattern)
