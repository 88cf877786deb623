"""Everything that Python can call is a command, with exactly the parameters that its callers can give."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from smanager.commands.record import CommandError
from smanager.commands.signatures import describe, signature_of
from smanager.hosts.child.loader import described, load
from smanager.service import SService, command


def without_wraps(method: Callable[..., object]) -> Callable[..., object]:
    def inner(*args: Any, **kwargs: Any) -> object:
        return method(*args, **kwargs)

    return inner


def added(first: int, second: int, *, third: int = 0) -> int:
    """Adds"""
    return first + second + third


class Adder:
    """Adds."""

    def __call__(self, first: int, second: int = 2) -> int:
        return first + second


class Bound:
    """A descriptor of its own, as many decorators are."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function

    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, instance: object, first: int) -> object:
        return self.function(instance, first)


class Raising:
    def __get__(self, instance: object, owner: type) -> object:
        raise RuntimeError("not now")


class Proxy:
    @property  # type: ignore[misc]  # as lazy proxies have it
    def __class__(self) -> Any:
        raise RuntimeError("outside of a request")


class Called(SService):
    def cmd_all(*args: Any) -> Any:
        return args[1:]

    @without_wraps
    def cmd_wrapped(self, first: str) -> str:
        return first

    cmd_partial = functools.partial(added, 1)
    cmd_partial_by_name = functools.partial(added, second=1)

    def _added(self, first: int, second: int) -> int:
        return first + second

    cmd_partialmethod = functools.partialmethod(_added, 1)
    cmd_length = len
    cmd_object = Adder()
    cmd_class = int
    cmd_descriptor = Bound(lambda self, first: first)

    @functools.lru_cache  # noqa: B019
    def cmd_cached(self, first: int) -> int:
        return first

    @staticmethod
    def cmd_static(first: int) -> int:
        return first

    cmd_mock = Mock(return_value="mocked")


@pytest.mark.parametrize(
    ("method", "names", "values"),
    [
        ("all", ["*args"], ["1", "2"]),
        ("wrapped", ["*args"], ["1"]),
        ("partial", ["second", "--third"], [2]),
        ("partial_by_name", ["first", "--second", "--third"], [2]),
        ("partialmethod", ["second"], [2]),
        ("length", ["obj"], ["abc"]),
        ("object", ["first", "second"], [1, 2]),
        ("descriptor", ["first"], [1]),
        ("cached", ["first"], [1]),
        ("static", ["first"], [1]),
        ("mock", ["*args"], ["1"]),
    ],
)
def test_a_commands_parameters_are_those_that_can_be_given(method: str, names: list[str], values: list[object]) -> None:
    record = describe(Called, f"cmd_{method}")
    shown = [f"{'*' * one.rest}{'--' * one.option}{one.name}" for one in record.parameters]
    assert shown == names
    positions, options = signature_of(Called, f"cmd_{method}").revive(values, {})
    getattr(Called(), f"cmd_{method}")(*positions, **options)


def test_the_docstring_is_that_of_what_is_called() -> None:
    assert describe(Called, "cmd_partial").doc == "Adds"
    assert describe(Called, "cmd_object").doc == "Adds."
    assert describe(Called, "cmd_partial").parameters[0].kind == "int"


class Uncallable(SService):
    def cmd_alone() -> None: ...  # type: ignore[misc]  # as authors write it

    def cmd_keyword(*, word: str) -> None: ...  # type: ignore[misc]

    cmd_upper = str.upper
    cmd_largest = max
    cmd_raising = Raising()
    complete_fine = Raising()

    @command(aliases=["good"])
    def cmd_fine(self) -> str:
        return "fine"


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        ("alone", "the method has no parameter for `self`"),
        ("keyword", "the method has no parameter for `self`"),
        ("upper", "a method of str cannot be called on a service"),
        ("largest", "no signature found for builtin"),
    ],
)
def test_what_can_never_be_called_is_said(method: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        describe(Uncallable, f"cmd_{method}")


def test_what_cannot_be_used_loses_itself_and_nothing_else() -> None:
    data, problems = described(Uncallable)
    assert [record["name"] for record in data["commands"]] == ["fine"]
    said = [problem.rpartition("cmd_")[2].partition(": ") for problem in problems]
    assert [name for name, _, _ in said] == ["alone", "keyword", "upper", "largest", "raising"]
    assert said[-1][2] == "RuntimeError: not now"


def test_a_proxy_in_a_module_that_has_no_class_now_is_passed_over(tmp_path: Any) -> None:
    path = tmp_path / "proxied_services.py"
    path.write_text(
        "from smanager import SService\nfrom tests.commands.test_callables import Proxy\n"
        "proxy = Proxy()\nclass Proxied(SService): pass\n"
    )
    assert [service.__name__ for service in load(path)] == ["Proxied"]
