"""What services return, as JSON has it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any


def jsonable(value: object) -> Any:
    """A value as JSON has it; text where JSON has nothing like it."""
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Enum):
        return jsonable(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: jsonable(item) for name, item in zip(value._fields, value, strict=False)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Collection):
        return [jsonable(item) for item in value]
    # By their methods, for `datetime` is no small import, and whoever returns one has it already.
    if seconds := getattr(value, "total_seconds", None):
        return seconds()
    if written := getattr(value, "isoformat", None):
        return written()
    if hasattr(value, "__float__"):  # Decimal, Fraction
        return jsonable(float(value))
    return str(value)
