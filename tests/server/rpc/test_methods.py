"""What a program's request means is found out once; what it may do is asked each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.commands.record import Command, CommandError, Parameter
from smanager.hosts.job import BoundCommand
from smanager.server.rpc.errors import FAILED, INVALID_PARAMS, RequestError
from smanager.server.rpc.methods import Methods
from smanager.shells.base import PLANNED_LINE, PLANS_KEPT

COMMANDS = {
    "count": Command("count", "", (Parameter("number", kind="int", required=False),)),
    "say": Command("say", "", (Parameter("text", required=False),)),
    "login": Command("login", "", (Parameter("pin", secret=True, required=False),)),
}


class Desk:
    """One connection's methods, of which the dispatcher keeps what it is asked to run, and how often a name is read."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.ran: list[BoundCommand] = []
        self.refuses = False
        self.answers: list[object] = []
        self.plans: dict[Any, Any] = {}
        view = SimpleNamespace(plans=self.plans, own={}, method=self._method)
        audit = SimpleNamespace(refused=lambda *_: None)
        dispatcher = SimpleNamespace(call=self._call, manager=SimpleNamespace(audit=audit))
        self.shells = SimpleNamespace(dispatcher=dispatcher, view=lambda _: view)

    def _method(self, name: str) -> tuple[object, Command]:
        self.read.append(name)
        return SimpleNamespace(name="web"), COMMANDS[name]

    def _call(self, bound: BoundCommand, requester: object, sink: object) -> None:
        if self.refuses:
            raise CommandError("unknown command")
        self.ran.append(bound)


def asked(test: Callable[[Desk, Callable[..., object]], None]) -> Callable[[], None]:
    """Run a test in an event loop, with a desk, and a function that makes a request there."""

    async def run() -> None:
        desk = Desk()
        methods = Methods(cast("Any", desk.shells), Caller(CONSOLE))
        notify = cast("Any", None)
        test(desk, lambda name, params=None: methods.begin(name, params, notify, desk.answers.append))

    def begin() -> None:
        asyncio.run(run())

    begin.__name__ = test.__name__
    return begin


@asked
def test_a_request_is_read_once_for_each_meaning(desk: Desk, ask: Callable[..., object]) -> None:
    given: list[object] = [None, [], {}, [1], {"number": 1}]
    for _ in range(3):
        for params in given:
            ask("count", params)
    assert desk.read == ["count"] * len(given)
    assert [list(bound.arguments.positions) for bound in desk.ran] == 3 * [[], [], [], [1], [1]]


@asked
def test_values_that_python_takes_for_equal_are_told_apart(desk: Desk, ask: Callable[..., object]) -> None:
    wrong: list[object] = [[True], ["1"], {"number": [1]}, [1.5], 0, False, ""]
    for params in [[1], *wrong]:
        ask("count", params)
    refusals = [answer.code for answer in desk.answers if isinstance(answer, RequestError)]
    assert refusals == [INVALID_PARAMS] * len(wrong)
    assert len(desk.ran) == 1


@pytest.mark.parametrize(("name", "params"), [("login", ["hunter2"]), ("login", None), ("say", [PLANNED_LINE * "x"])])
def test_a_secret_or_a_long_request_is_not_remembered(name: str, params: object) -> None:
    @asked
    def test(desk: Desk, ask: Callable[..., object]) -> None:
        ask(name, params)
        ask(name, params)
        assert (len(desk.read), len(desk.ran), desk.plans) == (2, 2, {})

    test()


@asked
def test_a_remembered_request_may_be_refused(desk: Desk, ask: Callable[..., object]) -> None:
    ask("say", ["yes"])
    desk.refuses = True
    ask("say", ["yes"])
    (_, refusal) = desk.answers
    assert isinstance(refusal, RequestError)
    assert refusal.code == FAILED


@asked
def test_params_are_refused_where_they_are_nested_too_deeply(desk: Desk, ask: Callable[..., object]) -> None:
    params: list[object] = []
    for _ in range(200_000):  # deeper than any Python follows
        params = [params]
    ask("say", params)
    (refusal,) = desk.answers
    assert isinstance(refusal, RequestError)
    assert str(refusal) == "say: its params are nested too deeply"
    while params:  # or the end of so many lists would be too deep as well
        params = params.pop()  # type: ignore[assignment]  # each holds a list


@asked
def test_many_different_requests_take_bounded_memory(desk: Desk, ask: Callable[..., object]) -> None:
    for number in range(3 * PLANS_KEPT):
        ask("count", [number])
        assert len(desk.plans) <= PLANS_KEPT
    assert len(desk.ran) == 3 * PLANS_KEPT
