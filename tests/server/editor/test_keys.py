"""The key decoder: what terminals send, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.server.editor.keys import PASTE_LIMIT, SEQUENCE_LIMIT, STRING_LIMIT, Key, KeyDecoder, Paste, typed_in
from smanager.terminal.text import visible


def keys_of(text: str) -> list[Key]:
    decoder = KeyDecoder()
    return [key for character in text if (key := decoder.take(character)) is not None]


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("aZ0 ~", ["a", "Z", "0", " ", "~"]),
        ("é日e\u0301", ["é", "日", "e", "\u0301"]),
        ("\x00\x01\x03\x04\x1a", ["ctrl-@", "ctrl-a", "ctrl-c", "ctrl-d", "ctrl-z"]),
        ("\x1c\x1d\x1e\x1f", ["ctrl-\\", "ctrl-]", "ctrl-^", "ctrl-_"]),
        ("\t", ["tab"]),
        ("\x7f\b", ["backspace", "backspace"]),
        ("\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        ("\x1bOA\x1bOB\x1bOC\x1bOD", ["up", "down", "right", "left"]),
        ("\x1b[H\x1b[1~\x1bOH", ["home", "home", "home"]),
        ("\x1b[F\x1b[4~\x1bOF", ["end", "end", "end"]),
        ("\x1b[7~\x1b[8~\x1bOc\x1bOd", ["home", "end", "ctrl-right", "ctrl-left"]),  # rxvt
        ("\x9bA\x8fH", ["up", "home"]),  # a terminal that sends C1 controls
        ("\x1b[3~", ["delete"]),
        ("\x1b[1;5C\x1b[1;5D", ["ctrl-right", "ctrl-left"]),
        ("\x1b[1;3C\x1b[1;3D", ["alt-right", "alt-left"]),
        ("\x1bb\x1bF\x1bd", ["alt-b", "alt-f", "alt-d"]),
        ("\x1b\x7f\x1b\b", ["alt-backspace", "alt-backspace"]),
    ],
)
def test_each_key_has_its_name(sent: str, keys: list[Key]) -> None:
    assert keys_of(sent) == keys


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\0"])
def test_every_line_end_is_one_enter(end: str) -> None:
    assert keys_of(f"a{end}{end}b{end}") == ["a", "enter", "enter", "b", "enter"]


def test_enter_does_not_wait_for_what_follows_the_carriage_return() -> None:
    decoder = KeyDecoder()
    assert decoder.take("\r") == "enter"
    assert decoder.take("\n") is None
    assert decoder.take("\n") == "enter"


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[Z",  # Shift-Tab
        "\x1b[5~",  # Page Up
        "\x1bOP",  # F1
        "\x1b[[A",  # F1 on the Linux console
        "\x1b[?1;2c",  # a terminal's answer to a question that somebody else asked
        "\x1b[<0;100;100M",  # the mouse
        "\x1b[3é~",
        "\x1b[" + "1;" * SEQUENCE_LIMIT + "D",
        "\x1b[201~",  # the end of a paste that never began
        "\x80\u202e\ud800",  # C1, right-to-left override, half a character
        "\x1b[M !!",  # X10's mouse
        "\x1b[M#\xe9\u0436",
        "\x1b]11;rgb:0000/0000/0000\x1b\\",  # OSC: the background's colour
        "\x1b]10;rgb:ffff/ffff/ffff\a",
        "\x1b]52;c;" + "c3RvcAo=" * 1000 + "\a",  # the clipboard
        "\x1bP>|XTerm(390)\x1b\\",  # DCS: the terminal's version
        "\x1bP0$r\rstop web\n\a\x1b\\",  # what an old xterm made of a file that was shown to it
        "\x1b_Gi=31;OK\x1b\\",  # APC: graphics
        "\x1b^private\x1b\\",
        "\x1bXstart of string\x1b\\",
        "\x9d0;title\x9c",
        "\x1b]0;cut off\x18",
        "\x1bPcut off\x1a",
        "\x1b]0;cut off by the next\x1b]0;title\a",
        "\x1b\\",  # the end of a string that was dropped already
    ],
)
def test_what_is_unknown_or_too_long_is_dropped_whole(sequence: str) -> None:
    assert keys_of(f"a{sequence}b") == ["a", "b"]


def test_a_control_character_ends_an_unfinished_sequence_and_counts() -> None:
    assert keys_of("\x1b\x1b[D") == ["left"]
    assert keys_of("\x1b[1;\x03") == ["ctrl-c"]
    assert keys_of("\x1b\rx") == ["enter", "x"]


@pytest.mark.parametrize("introducer", ["\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x90"])
def test_a_terminals_string_that_never_ends_is_dropped_whole(introducer: str) -> None:
    assert keys_of(introducer + "x" * STRING_LIMIT + "stop web\rhostname\r") == [*"hostname", "enter"]
    assert keys_of(introducer + "x" * 100_000) == []
    assert keys_of(f"{introducer}lost\x03a\r") == ["ctrl-c", "a", "enter"]
    assert keys_of(f"{introducer}lost\x1b[D") == ["left"]


def test_whatever_a_terminal_shows_is_given_as_it_was_typed() -> None:
    blanks, joiners, private, unassigned = (
        "\u00a0\u202f\u3000\u2028",
        "\u200b\u200c\u200d\ufeff",
        "\ue000",
        "\U0001fadd\u0378",
    )
    typed = f"{blanks}{joiners}{private}{unassigned}\u00ad👩\u200d❤\ufe0f\u200d👨"
    assert keys_of(typed) == [*typed]
    assert keys_of(f"\x1b[200~{typed}\x1b[201~") == [Paste(typed)]


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("hostname", "hostname"),
        ("a\rb\r\nc\r\0d\ne", "a\nb\nc\nd\ne"),
        ("a\tb", "a\tb"),
        ("\x1b[31mred\x1b[0m \x04\x7f\x1bd!", "red !"),
        ("cut short \x1b[1", "cut short "),
        ("", ""),
    ],
)
def test_a_paste_is_one_key_that_holds_no_controls(sent: str, text: str) -> None:
    assert keys_of(f"<\x1b[200~{sent}\x1b[201~>") == ["<", Paste(text), ">"]


def test_a_paste_is_bounded() -> None:
    (paste,) = keys_of("\x1b[200~" + "x" * (PASTE_LIMIT + 1) + "\x1b[201~")
    assert paste == Paste("x" * PASTE_LIMIT)


def test_control_c_ends_a_paste_whose_end_was_lost() -> None:
    assert keys_of("\x1b[200~lost\x03a\r") == ["ctrl-c", "a", "enter"]


@given(st.text(st.sampled_from("\x1b[O]P\\_M201~;AaH\r\n\0\x03\a\x9cé") | st.characters()))
def test_no_input_gives_anything_but_keys(text: str) -> None:
    for key in keys_of(text):
        if isinstance(key, Paste):
            assert visible(key.text) == key.text
        else:
            assert visible(key) == key or key.startswith("alt-")


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("hostname", "hostname"),
        ("a\u202eb\tc", "a\u202eb\tc"),
        ("\x1b]11;rgb:0000/0000/0000\x07hostname", "hostname"),
        ("host\x1bP>|xterm(370)\x1b\\name", "hostname"),
        ("\x1b[?64;1;2c\x1b[Dhost\tname\x1b[A", "host\tname"),
        ("\x1b[M !!kill", "kill"),
        ("\x1b[200~uptime\x1b[201~", "uptime"),
        ("\x1b]11;kill", ""),
        ("\x9d11;kill\x9c", ""),
    ],
)
def test_of_a_line_that_a_terminal_edited_only_what_was_typed_counts(line: str, typed: str) -> None:
    assert typed_in(line) == typed
