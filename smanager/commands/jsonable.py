"""Values of any kind as JSON values."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any


def jsonable(value: object) -> Any:
    """A value as JSON; text where JSON has no equivalent."""
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Enum):
        return jsonable(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # `from_` is `from`: Python keeps some names for itself.
        return {field.name.rstrip("_"): jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: jsonable(item) for name, item in zip(value._fields, value, strict=False)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Collection):
        return [jsonable(item) for item in value]
    # By their methods: importing `datetime` takes time, and a caller with such a value has imported it already.
    if seconds := getattr(value, "total_seconds", None):
        return seconds()
    if written := getattr(value, "isoformat", None):
        return written()
    if hasattr(value, "__float__"):  # Decimal, Fraction
        return jsonable(float(value))
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
