"""Results as pages: tables that are fitted into a window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.terminal import cells, tables
from smanager.terminal.tables import fitted, page, table


def test_a_table_is_fitted_by_the_columns_that_a_terminal_gives_to_each_character() -> None:
    rows = [{"name": "日本語のディスク", "free": 5}, {"name": "a\tb\x1b[m", "free": 12}]
    assert page(rows, 80) == ("name              free\n日本語のディスク     5\na b\\x1b[m           12\n")
    assert page(rows, 20) == ("name            free\n日本語のディ…      5\na b\\x1b[m         12\n")
    assert page({"日本": 1, "b": 2}, 80) == "日本  1\nb     2\n"


def test_a_table_is_fitted_into_the_window_and_numbers_stand_to_the_right() -> None:
    rows = [{"name": "/", "free": 5}, {"name": "/home with a name that is long", "free": 1200}]
    assert page(rows, 80) == (
        "name                            free\n"
        "/                                  5\n"
        "/home with a name that is long  1200\n"
    )
    assert page(rows, 20) == "name            free\n/                  5\n/home with a …  1200\n"
    assert page([{"a": "x" * 9, "b": "x" * 8, "c": "x"}], 15) == "a      b      c\nxxxx…  xxxx…  x\n"
    assert page([{"a": 1}, {"b": None}], 0) == "a\tb\n1\t\n\t\n"
    assert page([{"a": "x\ty\nz", "b": [1]}], 0) == "a\tb\nx y z\t[1]\n"


def test_columns_that_have_no_room_in_the_window_are_left_out_and_marked() -> None:
    row = {f"column{number}": "x" * 9 for number in range(40)}
    assert page([row], 20) == "col…  col…  colu…  …\nxxx…  xxx…  xxxx…  …\n"
    assert all(len(line) <= 80 and line.endswith("  …") for line in page([row], 80).splitlines())


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (
            80,
            [
                "NAME    STATE    PID    SINCE      LAST END",
                "web-01  running  21730  1 min 5 s  exit status 1; given up",
            ],
        ),
        (46, ["NAME    STATE    PID    SINCE      LAST END", "web-01  running  21730  1 min 5 s  exit statu…"]),
        (40, ["NAME    STATE    PID    SINCE      …", "web-01  running  21730  1 min 5 s  …"]),
        (35, ["NAME    STATE    PID    …", "web-01  running  21730  …"]),
        (10, ["NAME    STATE    PID    …", "web-01  running  21730  …"]),
    ],
)
def test_columns_that_are_left_whole_push_others_out(columns: int, lines: list[str]) -> None:
    row = {"NAME": "web-01", "STATE": "running", "PID": "21730", "SINCE": "1 min 5 s"}
    assert table([{**row, "LAST END": "exit status 1; given up"}], columns, whole=3).splitlines() == lines


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(10, 100))
def test_a_table_takes_the_window_and_no_more(widths: list[int], columns: int) -> None:
    narrowed = fitted(widths, columns)
    gaps, mark = 2 * (len(narrowed) - 1), 3 * (len(narrowed) < len(widths))
    assert sum(narrowed) + gaps + mark <= columns
    whole = narrowed == widths[: len(narrowed)]
    assert whole or sum(narrowed) + gaps + mark == columns
    cut = [width for width, wanted in zip(narrowed, widths, strict=False) if width < wanted]
    assert not cut or (min(cut) >= 4 and max(narrowed) - min(cut) <= 1)


def test_a_long_text_is_measured_no_further_than_a_window_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []

    def text_width(text: str) -> int:
        measured.append(text)
        return cells.text_width(text)

    monkeypatch.setattr(tables, "text_width", text_width)
    page([{f"{number}": "日" * 50_000 for number in range(40)}], 100)
    assert max(map(len, measured)) == 100 * cells.CELL_LIMIT
