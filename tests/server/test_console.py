"""What the console takes for a Ctrl-C."""

from __future__ import annotations

import pytest

from smanager.server.console import is_interrupt


@pytest.mark.parametrize(
    ("error", "cause", "is_one"),
    [
        (KeyboardInterrupt(), None, True),
        (SystemError("returned a result with an exception set"), KeyboardInterrupt(), True),
        (SystemError("null argument to internal routine"), None, False),
        (SystemError("returned a result with an exception set"), MemoryError(), False),
    ],
)
def test_an_interrupt_counts_in_whatever_cpython_wraps_it(
    error: BaseException, cause: BaseException | None, is_one: bool
) -> None:
    error.__cause__ = cause
    assert is_interrupt(error) is is_one
