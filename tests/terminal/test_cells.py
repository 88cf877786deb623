"""Text in cells: widths, and the characters that are made of several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.terminal.cells import cells, cut, next_cell, previous_cell, text_width
from smanager.terminal.tables import page

FAMILY, COUPLE, HEART = "👨\u200d👩\u200d👧", "👩\u200d❤\ufe0f\u200d👨", "❤\ufe0f"
THUMB, POINT, KEYCAP = "👍🏽", "☝🏽", "1\ufe0f\u20e3"

mixed = st.text(st.sampled_from("a日 \u0301\u200d\ufe0f❤☝👩🏽🇩1\u20e3\u00ad\u202f\U0001fadd"))


@pytest.mark.parametrize(
    "emoji", [FAMILY, COUPLE, HEART, THUMB, KEYCAP, "🧑🏽\u200d💻", "\U0001fadd", "\U0001f468\u200d\U0001fadd"]
)
def test_an_emoji_sequence_is_one_cell_of_two_columns(emoji: str) -> None:
    assert list(cells(f"a{emoji}b")) == [("a", 1), (emoji, 2), ("b", 1)]
    assert text_width(emoji) == 2
    assert next_cell(emoji, 0) == len(emoji)
    assert previous_cell(emoji, len(emoji)) == 0


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("a\u200bb\u200cc\u200dd", 4),  # joiners show nothing, and letters stay letters
        ("क\u094d\u200dष", 2),
        ("a\u00adb\u00a0c\u202fd\u3000", 9),
        ("🇩🇪", 2),
        ("\ue000\u0378", 2),  # private, unassigned
        ("🏽", 2),
    ],
)
def test_other_characters_keep_their_own_widths(text: str, width: int) -> None:
    assert text_width(text) == width


@given(mixed)
def test_cells_are_the_text_and_movement_stops_at_each(text: str) -> None:
    pieces = [piece for piece, _ in cells(text)]
    assert "".join(pieces) == text
    assert sum(width for _, width in cells(text)) == text_width(text)
    stops = {len("".join(pieces[:count])) for count in range(len(pieces) + 1)}
    assert {previous_cell(text, index) for index in range(1, len(text) + 1)} <= stops


@given(mixed, st.integers(1, 20))
def test_a_text_that_is_cut_fits_and_ends_between_cells(text: str, width: int) -> None:
    shown = cut(text, width, "…")
    assert text_width(shown) <= width
    assert shown == text or any(shown == text[:end] + "…" for end in range(len(text)))


def test_a_table_and_its_emoji_are_in_line() -> None:
    rows = [{"name": name, "free": 5} for name in (FAMILY, HEART, THUMB, "日", "ab")]
    assert page(rows, 80) == "".join(f"{name}{gap}free\n" for name, gap in [("name", "  ")]) + "".join(
        f"{name}       5\n" for name in (FAMILY, HEART, THUMB, "日", "ab")
    )
