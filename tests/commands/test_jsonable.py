"""Values as JSON: exactly themselves, or else their text, of which the log tells."""

from __future__ import annotations

import enum
import json
import logging
from collections import deque
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.commands import jsonable as jsonable_module
from smanager.commands.jsonable import from_json, jsonable


class Colour(enum.Enum):
    RED = "red"
    BOTH = ("red", 1)


class Level(enum.IntEnum):
    LOW = 1


class Opaque:
    def __str__(self) -> str:
        return "opaque"


class Array:
    """Like NumPy's arrays and scalars: `tolist` gives Python's objects, nanoseconds as integers, or itself."""

    def __init__(self, kind: str, plain: Any, text: str = "", items: list[Array] | None = None) -> None:
        self.dtype = SimpleNamespace(kind=kind)
        self.ndim = 0 if items is None else 1
        self._plain, self._text, self._items = plain, text, items

    def __len__(self) -> int:
        raise TypeError("len() of unsized object")

    def __contains__(self, item: object) -> bool:
        raise TypeError

    def __iter__(self) -> Any:
        if self._items is None:
            raise TypeError("iteration over a 0-d array")
        return iter(self._items)

    def __float__(self) -> float:
        return 0.0

    def __index__(self) -> int:
        raise TypeError

    def __str__(self) -> str:
        return self._text

    def tolist(self) -> Any:
        return self if self._plain is None else self._plain


class Whole:
    def __index__(self) -> int:
        return 2**70


MOMENT = Array("M", 1764078300123456789, "2026-11-25T13:45:00.123456789")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.1"), 0.1),
        (Decimal("5"), 5),
        (Decimal("1.10"), 1.1),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal(2**70), 2**70),
        (Decimal("1E+999999999"), "1E+999999999"),
        (Decimal("NaN"), "NaN"),
        (Decimal("-Infinity"), "-Infinity"),
        (Fraction(1, 2), 0.5),
        (Fraction(1, 3), "1/3"),
        (Fraction(2**70), 2**70),
        (2**70, 2**70),
        (Whole(), 2**70),
        (Level.LOW, 1),
        (Colour.BOTH, ["red", 1]),
        ({Colour.RED: 1, Level.LOW: 2, 5: 3, None: 4, (1, 2): 6}, {"red": 1, "1": 2, "5": 3, "None": 4, "(1, 2)": 6}),
        ({True: 5, 0.5: 6}, {"True": 5, "0.5": 6}),
        ({date(2026, 1, 2): Colour.RED}, {"2026-01-02": "red"}),
        (timedelta(minutes=1), 60.0),
        (deque([Decimal("0.5")]), [0.5]),
        (Array("i", 2**63), 2**63),
        (Array("b", True), True),
        (Array("f", [[0.5], [1.5]], items=[]), [[0.5], [1.5]]),
        (MOMENT, "2026-11-25T13:45:00.123456789"),
        (Array("M", [1], items=[MOMENT]), ["2026-11-25T13:45:00.123456789"]),
        (Array("f", float("nan")), "nan"),
        (Array("g", None, "0.1234567890123456789"), "0.1234567890123456789"),
        (Array("m", 5, "5 nanoseconds"), "5 nanoseconds"),
        (Array("c", 1 + 2j), "(1+2j)"),
        (float("inf"), "inf"),
        (Opaque(), "opaque"),
        (date, "<class 'datetime.date'>"),
    ],
)
def test_a_value_is_itself_or_its_text(value: object, expected: object) -> None:
    plain = jsonable(value)
    assert plain == expected
    assert json.loads(json.dumps(plain)) == expected


def test_the_log_tells_once_of_each_class_without_json(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonable_module, "_told", set())
    with caplog.at_level(logging.WARNING):
        jsonable([Opaque(), Opaque(), {Opaque(): 1 + 2j}, Decimal("NaN"), date(2026, 1, 2)])
    assert caplog.messages == [
        "a value of the class Opaque has no JSON; programs get its text",
        "a value of the class complex has no JSON; programs get its text",
    ]


plain = st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    plain | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_what_json_has_goes_round_unchanged(value: object) -> None:
    assert jsonable(value) == value
    assert from_json(json.dumps(jsonable(value))) == value


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.fractions())
def test_numbers_of_other_kinds_keep_their_value(value: Any) -> None:
    written = from_json(json.dumps(jsonable(value)))
    assert type(value)(repr(written) if isinstance(written, float) else written) == value
