"""Text that is safe to show, and text that is the bytes it was."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smanager.text import as_bytes, visible

EVERY_CHARACTER = "".join(map(chr, range(sys.maxunicode + 1)))

REORDERING_CLASSES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
DIRECTION_MARKS = "\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}\N{ARABIC LETTER MARK}"
"""What moves the text around it (Unicode UAX #9, 2); the marks have the classes of letters."""

any_text = st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs"]) | st.sampled_from("\r\n\t\x1b"))


def acts_on_a_terminal(character: str) -> bool:
    if character in "\t\n":
        return False
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or unicodedata.bidirectional(character) in REORDERING_CLASSES
        or character in DIRECTION_MARKS
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("up 12 days\n", "up 12 days\n"),
        ("a\tb\n", "a\tb\n"),
        ("é日本語\U0001f600e\u0301", "é日本語\U0001f600e\u0301"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),  # one picture, of two that are joined
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x00\x7f\x9b31m", "\\x00\\x7f\\x9b31m"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("50 %\r100 %", "50 %\\x0d100 %"),
        ("caf\udce9", "caf\\xe9"),  # a byte that was not UTF-8
        ("\ud83d\udc41", "\\ud83d\\udc41"),  # halves of characters, which stand for no byte
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("", ""),
    ],
)
def test_a_terminal_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_character_that_a_terminal_would_act_on_passes() -> None:
    assert not [character for character in set(visible(EVERY_CHARACTER)) if acts_on_a_terminal(character)]


def test_every_other_character_stays_as_it_is() -> None:
    harmless = "".join(character for character in EVERY_CHARACTER if not acts_on_a_terminal(character))
    assert visible(harmless) == harmless
    assert set(filter(str.isprintable, EVERY_CHARACTER)) <= set(harmless)


@given(any_text)
@example("\r\r\n")
def test_what_is_shown_is_safe_wherever_it_stands_and_stays_so(text: str) -> None:
    shown = visible(text)
    assert not any(map(acts_on_a_terminal, shown))
    assert visible(shown) == shown


@given(st.binary())
def test_bytes_that_were_read_as_text_are_written_as_they_were(data: bytes) -> None:
    assert as_bytes(data.decode("utf-8", "surrogateescape")) == data


def test_half_a_character_costs_only_itself() -> None:
    assert as_bytes("\ud83d!") == b"?!"
    assert as_bytes("caf\udce9 \ud83d") == b"caf\xe9 ?"


@given(any_text)
def test_any_text_has_bytes(text: str) -> None:
    assert len(as_bytes(text)) >= len(text)
