"""What reads bytes that anybody may send, driven with any bytes: each module here has a `target` for one such reader.

A target raises where the reader does what it should never do. Its inputs are kept in the corpus: some that were
written, from which a fuzzer goes on, and all that have made it raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import cast

CORPUS = Path(__file__).parent / "corpus"
"""A directory for each target, by its module's name."""

DICTIONARY = Path(__file__).parent / "dictionary"
"""Pieces of inputs for all of them."""


def target(name: str) -> Callable[[bytes], None]:
    return cast("Callable[[bytes], None]", import_module(f"{__name__}.{name}").target)


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """The data as it may arrive: whole, by the byte, and in pieces whose ends a fuzzer shifts to where it likes."""
    for size in (len(data) or 1, 1, 3):
        yield [data[place : place + size] for place in range(0, len(data), size)]
