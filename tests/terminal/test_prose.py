"""Prose in a window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.terminal.cells import text_width
from smanager.terminal.prose import reflowed, wrapped


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short\n", ["short", ""]),
        ("-" * 50 + "\n", ["-" * 20, ""]),
        ("*" * 21, ["*" * 20]),
        ("one two three four five six", ["one two three four", "    five six"]),
        ("    name: one two three", ["    name: one two", "        three"]),
        ("  count  int: how many of them", ["  count  int: how", "         many of", "         them"]),
        ("  a, --all  text on all of it", ["  a, --all  text on", "    all of it"]),
        ("x" * 30 + " y", ["x" * 30, "    y"]),
        ("    " + "x" * 30, ["    " + "x" * 30]),
        ("日本語 日本語 日本語 日本語", ["日本語 日本語 日本語", "    日本語"]),
        ("a\x1b[2J and what follows it", ["a\\x1b[2J and what", "    follows it"]),
    ],
)
def test_lines_are_broken_at_blanks_and_rules_are_shortened(text: str, lines: list[str]) -> None:
    assert wrapped(text, 20).split("\n") == lines


def test_without_a_window_text_stays_as_it_is() -> None:
    text = "-" * 50 + "\nlong " * 90 + "\x1b"
    assert wrapped(text, 0) == text


def test_paragraphs_are_fitted_and_lists_stay() -> None:
    doc = "A long summary of it\n\none two three four\nfive six seven\n\n- one two three four five\n- six"
    fitted = "A long summary\nof it\n\none two three\nfour five six\nseven\n\n- one two three four five\n- six"
    assert reflowed(doc, 15) == fitted
    assert reflowed(doc, 0) == reflowed(doc, 80) == doc


@given(st.text("ab日- \n", max_size=200), st.integers(10, 60))
def test_no_word_is_lost_and_no_line_too_wide_but_for_a_word(text: str, columns: int) -> None:
    shown = wrapped(text, columns)
    rules = [line for line in text.split("\n") if set(line) == {"-"}]
    if not rules:
        assert shown.split() == text.split()
    for line in shown.split("\n"):
        assert text_width(line) <= columns or len(line.split()) <= 1
