"""Time spans and lists, as people read them."""

from __future__ import annotations

import pytest

from smanager.terminal.wording import duration_text, listed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (3.24, "3.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (725, "12 min 5 s"),
        (4 * 3600 + 3 * 60, "4 h 3 min"),
        (12 * 86400 + 4 * 3600, "12 d 4 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_names_are_listed_as_in_a_sentence(names: list[str], text: str) -> None:
    assert listed(names) == text
