"""A service whose parameters have defaults of all kinds."""

from __future__ import annotations

import enum
import functools
from typing import Any

from smanager.service import SService


class Weird(enum.Enum):
    SURE = "100% sure"
    BRACED = "{x}"


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Loud(float):
    def __float__(self) -> float:
        raise RuntimeError("no number")


def endless() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


class Defaults(SService):
    """100% of {braces} [brackets] %(prog)s"""

    def cmd_all(
        self,
        a: Any = object(),  # noqa: B008
        b: Any = len,
        c: Any = Silent(),  # noqa: B008
        d: Any = lambda: 1,
        e: Any = SService,
        f: Any = frozenset({3, 1, 2}),
        g: float = float("nan"),
        h: int = 10**5000,
        i: Any = b"x",
        j: Any = {"a": {1}},  # noqa: B006
        k: Weird = Weird.BRACED,
        m: Any = (1, Weird.SURE, None),
        n: Any = functools.partial(len),  # noqa: B008
        o: Any = endless(),  # noqa: B008
        p: Any = {"k": object()},  # noqa: B006, B008
        q: Any = type,
        r: Any = {object(), object()},  # noqa: B006, B008
        s: Any = "a text at 0x1f",
    ) -> None:
        """Says 100% {a} [b] %(default)s"""

    def cmd_more(self, a: Weird = Weird.SURE, **others: int) -> None: ...


DEFAULTS = {
    "a": "<object object>", "b": "<built-in function len>", "c": "<Silent>", "d": "<function Defaults.<lambda>>",
    "e": "<class 'smanager.service.SService'>", "f": [1, 2, 3], "g": "nan", "h": "<int>", "i": "x", "j": {"a": [1]},
    "k": "BRACED", "m": [1, "SURE", None], "n": "functools.partial(<built-in function len>)", "o": "<list>",
    "p": {"k": "<object object>"}, "q": "<class 'type'>", "r": ["<object object>"] * 2, "s": "a text at 0x1f",
}  # fmt: skip
