"""Exceptions as callers get them: one line, of a bounded length, whatever the exception does."""

from __future__ import annotations

import pytest

from smanager.commands.record import Failure
from smanager.hosts.child.errors import MESSAGE_LIMIT, TRACEBACK_LIMIT, failure_of, in_one_line, print_traceback


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("error", "failure", "line"),
    [
        (ZeroDivisionError("division by zero"), Failure("division by zero", "ZeroDivisionError"), None),
        (OSError("a\n b\tc"), Failure("a b c", "OSError"), None),
        (KeyboardInterrupt(), Failure("", "KeyboardInterrupt"), "KeyboardInterrupt"),
        (UnprintableError(), Failure("its message cannot be shown", "UnprintableError"), None),
        (ValueError("x" * 6_000_000), Failure("x" * MESSAGE_LIMIT, "ValueError"), None),
        (type("x\ny" * 10_000, (Exception,), {})("no"), Failure("no", ("x y" * 10_000)[:MESSAGE_LIMIT]), None),
    ],
    ids=["usual", "lines", "no message", "unprintable", "long", "long name"],
)
def test_an_exception_is_its_type_and_its_message(error: BaseException, failure: Failure, line: str | None) -> None:
    assert failure_of(error) == failure
    assert in_one_line(error) == (line or f"{failure.type}: {failure.message}")


def test_of_a_deep_recursion_the_outermost_frames_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    def falls(number: int) -> int:  # through two lines in turn: equal ones would be left out
        return rises(number - 1)

    def rises(number: int) -> int:
        return falls(number) if number else 1 // number

    with pytest.raises(ZeroDivisionError) as raised:
        falls(3 * TRACEBACK_LIMIT)
    print_traceback(raised.value)
    printed = capsys.readouterr().out
    assert printed.count('  File "') == TRACEBACK_LIMIT
    assert printed.splitlines()[-1].startswith("ZeroDivisionError: ")
