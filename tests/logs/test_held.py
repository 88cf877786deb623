"""What is held of a command's output."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.logs.held import (
    SECRET,
    HeldOutput,
    HeldValue,
    LeftOut,
    Piece,
    ReadPlace,
    cut_text,
    masked,
    settled,
    text_of_pieces,
)

LEFT_OUT = re.compile(r"\n?\*\*\* (\d+) characters are left out here\n")


def held(pieces: list[str], most: int = 10) -> HeldOutput:
    output = HeldOutput(most)
    for piece in pieces:
        output.add(piece, len(piece))
    return output


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([], ""),
        (["abc"], "abc"),
        (["abc", "def"], "abcdef"),
        (["0123456789"], "0123456789"),
        (["0123456789a"], "01234\n*** 1 characters are left out here\n6789a"),
        (["01234", "X" * 90, "6789a"], "01234\n*** 90 characters are left out here\n6789a"),
        ([*"abcdefghijklmnop"], "abcde\n*** 6 characters are left out here\nlmnop"),
        (["abc\n", "d" * 20, "efghij"], "abc\nd\n*** 20 characters are left out here\nfghij"),
    ],
)
def test_of_a_long_output_the_beginning_and_the_end_are_kept(pieces: list[str], text: str) -> None:
    assert cut_text(held(pieces).read(ReadPlace())[0], str, 10) == text


@given(st.lists(st.text("ab\n", max_size=30)), st.integers(2, 40))
def test_what_is_kept_and_what_is_left_out_are_the_whole(pieces: list[str], most: int) -> None:
    whole = "".join(pieces)
    text = cut_text(held(pieces, most).read(ReadPlace())[0], str, most)
    if len(whole) <= most:
        assert text == whole
        return
    gap = LEFT_OUT.search(text)
    assert gap
    begin, end = text[: gap.start()], text[gap.end() :]
    assert whole.startswith(begin)
    assert whole.endswith(end)
    assert len(begin) + len(end) <= most
    assert len(whole) - len(begin) - len(end) - int(gap[1]) in (0, 1)  # the mark may have a newline of the text's own


@given(st.lists(st.integers(1, 50)), st.integers(2, 40))
def test_what_is_held_is_bounded(sizes: list[int], most: int) -> None:
    pieces, _ = held(["x" * size for size in sizes], most).read(ReadPlace())
    assert sum(len(str(piece)) for piece in pieces if not isinstance(piece, LeftOut)) <= most + 2 * 50


@given(st.lists(st.text("ab", min_size=1, max_size=9), max_size=60), st.sets(st.integers(0, 60)), st.integers(2, 40))
def test_who_follows_reads_each_piece_once_or_is_told_of_the_gap(pieces: list[str], looks: set[int], most: int) -> None:
    output, place, read = HeldOutput(most), ReadPlace(), list[Piece]()
    for number, piece in enumerate(pieces):
        output.add(piece, len(piece))
        if number in looks:
            more, place = output.read(place)
            read += more
    more, place = output.read(place)
    read += more
    assert output.read(place) == ([], place)
    sizes = [piece.characters if isinstance(piece, LeftOut) else len(str(piece)) for piece in read]
    assert sum(sizes) == sum(map(len, pieces))
    assert not any(isinstance(one, LeftOut) and isinstance(other, LeftOut) for one, other in pairwise(read))
    if len(looks & set(range(len(pieces)))) == len(pieces):
        assert read == pieces


def test_a_follower_is_told_of_each_piece_and_of_the_end() -> None:
    output, told = HeldOutput(10), list[str]()
    output.followers.append(lambda: told.append("over" if output.is_over else "more"))
    output.add("a", 1)
    output.close()
    assert told == ["more", "over"]


def test_values_become_text_when_they_are_read() -> None:
    output = HeldOutput(100)
    output.add(HeldValue({"a": 1}), 8)
    assert cut_text(output.read(ReadPlace())[0], lambda value: f"<{value}>", 100) == "<{'a': 1}>"


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("the pin is 1234", ["1234"], f"the pin is {SECRET}"),
        ("ab abc", ["ab", "abc"], f"{SECRET} {SECRET}"),
        ("nothing", [], "nothing"),
        ("one: hunt\ner2\nall", ["hunter2"], f"one: {SECRET}\nall"),
        ("h\nu\nn\n\nter2", ["hunter2"], SECRET),
        ("1\n2\n3", ["123"], "1\n2\n3"),
        ("a key\n", ["a\nkey\n", "key"], f"a {SECRET}\n"),
    ],
)
def test_secrets_are_masked(text: str, secrets: list[str], shown: str) -> None:
    assert masked(text, secrets) == shown
    assert text_of_pieces([text], str, secrets) == shown


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("all is well\n", ["hunter2"], "all is well\n"),
        ("it is hunt\n", ["hunter2"], "it is "),
        ("it is h\nun", ["hunter2", "it is what"], "it is "),
        ("it is hunter2\n", ["hunter2"], f"it is {SECRET}\n"),
        ("nothing", [], "nothing"),
    ],
)
def test_what_may_be_the_beginning_of_a_secret_waits_for_the_rest(text: str, secrets: list[str], shown: str) -> None:
    assert cut_text([text], str, 100, secrets, goes_on=True) == shown
    assert cut_text([text], str, 100, secrets) == masked(text, secrets)


@given(st.lists(st.text("xy", min_size=1, max_size=7), max_size=40), st.integers(2, 60))
def test_no_secret_shows_where_an_output_was_cut(pieces: list[str], most: int) -> None:
    secret = "hunter2"
    output = held([piece for word in pieces for piece in (word, secret[:3], secret[3:])], most)
    text = LEFT_OUT.sub("|", cut_text(output.read(ReadPlace())[0], str, most, [secret]).replace(SECRET, ""))
    assert "hunt" not in text
    assert "ter2" not in text


@given(st.lists(st.text("hunter2\nx", max_size=9), max_size=20))
def test_pieces_that_are_shown_as_they_come_show_no_secret(pieces: list[str]) -> None:
    secret, shown, rest = "hunter2", "", ""
    for piece in [*pieces, secret[:3], f"\n{secret[3:]}"]:
        rest += piece
        end = settled(rest, [secret])
        shown, rest = shown + masked(rest[:end], [secret]), rest[end:]
    assert secret not in (shown + masked(rest, [secret])).replace("\n", "").replace(SECRET, "|")
