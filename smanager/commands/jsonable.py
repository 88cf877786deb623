"""Values of any kind as JSON values, exactly, and the values of JSON texts."""

from __future__ import annotations

import dataclasses
import json
import math
import operator
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any

MOST_TOLD = 1000  # classes of which the log says that their objects have no JSON

AsText = Callable[[object], str]

_told: set[type] = set()


def told_text(value: object) -> str:
    """The text of a value that JSON has no equivalent for; the log says so, once for each class."""
    if type(value) not in _told and len(_told) < MOST_TOLD:
        import logging  # here, because few values need it

        _told.add(type(value))
        logging.getLogger("smanager").warning(
            "a value of the class %s has no JSON; programs get its text", type(value).__qualname__
        )
    return str(value)


def jsonable(value: object, as_text: AsText = told_text) -> Any:
    """A value as JSON: the same value, or else its text. `as_text` makes the text where JSON has no equivalent."""
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else as_text(value)
    if isinstance(value, Enum):
        return jsonable(value.value, as_text)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # `from_` is `from`: Python keeps some names for itself.
        fields = dataclasses.fields(value)
        return {field.name.rstrip("_"): jsonable(getattr(value, field.name), as_text) for field in fields}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: jsonable(item, as_text) for name, item in zip(value._fields, value, strict=False)}
    if isinstance(value, Mapping):
        return {_key(key, as_text): jsonable(item, as_text) for key, item in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, type):
        return as_text(value)  # it has the methods of its objects
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return _from_array(value, as_text)
    if isinstance(value, Collection):
        return [jsonable(item, as_text) for item in value]
    # By their methods: importing `datetime` takes time, and a caller with such a value has imported it already.
    if seconds := getattr(value, "total_seconds", None):
        return seconds()
    if written := getattr(value, "isoformat", None):
        return written()
    if hasattr(value, "__index__"):
        return operator.index(value)
    if hasattr(value, "__float__"):
        return _from_number(value)
    return as_text(value)


def _key(key: object, as_text: AsText) -> str:
    """A mapping's key: the text of what the key is as JSON."""
    plain = jsonable(key, as_text)
    return str(plain if isinstance(plain, str | int | float) else key)


def _from_array(value: Any, as_text: AsText) -> Any:
    """A scalar or an array of NumPy, or of what is like it."""
    kind = getattr(value.dtype, "kind", None)
    if kind in ("M", "m"):  # times, which have nanoseconds; Python's have none
        if value.ndim:
            return [_from_array(item, as_text) for item in value]
        return str(value) if kind == "M" else as_text(value)
    plain = value.tolist()
    return as_text(value) if type(plain) is type(value) else jsonable(plain, as_text)


def _from_number(value: Any) -> float | int | str:
    """A Decimal or a Fraction as the number whose digits are exactly its value, or else as its text."""
    with suppress(ArithmeticError, TypeError, ValueError):
        number = float(value)
        if math.isfinite(number):
            if type(value)(repr(number)) == value:
                return number
            if (whole := int(value)) == value:  # not before: a Decimal may have millions of digits
                return whole
    return str(value)


def _refuse(constant: str) -> None:
    """Python would accept NaN and Infinity, and send them back."""
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError(f"{number} is too large for a number")
    return value


from_json = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode  # `loads` would make one each time
"""The value of a JSON text. Raises ValueError or RecursionError."""
