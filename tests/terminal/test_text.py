"""Text that is safe to show, and text that is the bytes it was."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smanager.terminal.cells import cut, padded
from smanager.terminal.text import as_bytes, coloured, has_colours, resembling, visible

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


@pytest.fixture(scope="module")
def every_character() -> str:
    return "".join(map(chr, range(sys.maxunicode + 1)))


@pytest.fixture(scope="module")
def acting(every_character: str) -> set[str]:
    return set(filter(acts_on_a_terminal, every_character))


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


def test_no_character_that_a_terminal_would_act_on_passes(every_character: str, acting: set[str]) -> None:
    assert acting
    assert acting.intersection(visible(every_character)) == set()


def test_every_other_character_stays_as_it_is(every_character: str, acting: set[str]) -> None:
    harmless = every_character.translate(dict.fromkeys(map(ord, acting)))
    assert visible(harmless) == harmless
    assert not any(map(str.isprintable, acting))


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


@pytest.mark.parametrize(
    ("terminal", "has"), [("xterm-256color", True), ("tmux", True), ("LINUX", True), ("vt100", False), ("dumb", False)]
)
def test_colours_are_for_terminals_that_have_them(monkeypatch: pytest.MonkeyPatch, terminal: str, has: bool) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert has_colours(terminal) is has
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colours(terminal)


def test_lines_that_say_what_went_wrong_are_red_and_no_others() -> None:
    assert coloured("a\r\n*** b\r\nc *** d\r\n") == "a\r\n\x1b[31m*** b\x1b[39m\r\nc *** d\r\n"
    assert coloured("nothing") == "nothing"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("disk", 6, "disk"), ("disk", 4, "disk"), ("disks", 4, "dis…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")],
)
def test_text_is_cut_to_so_many_columns(text: str, width: int, shown: str) -> None:
    assert cut(text, width, "…") == shown


def test_text_is_padded_on_the_side_that_is_asked_for() -> None:
    assert (padded("日", 4), padded("日", 4, right=True)) == ("日  ", "  日")


def test_the_nearest_words_are_those_that_may_have_been_meant() -> None:
    assert resembling("uptme", ["load", "uptime"], 3) == ["uptime"]
