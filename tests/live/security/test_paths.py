"""What may not be run is answered by the very code that answers for what does not exist: no clock tells them apart."""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from types import FrameType
from typing import Any

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.access.roles import Role, Roles
from smanager.cli import new_manager
from smanager.config import options as command_line
from smanager.hosts.template import Template
from smanager.server.rpc.methods import Methods
from smanager.server.rpc.protocol import Collected
from smanager.shells.interpreter import Interpreter
from smanager.shells.root import Shells
from smanager.supervision.commands.registry import OWN_COMMANDS
from smanager.supervision.storage import Storage
from tests.conftest import SECONDS, write_service
from tests.live.security.conftest import SERVICE

shells: Shells
"""In the process that follows the requests."""

LOOKER = Roles({"looker": Role("looker", ("box.look",))}, [own.command for own in OWN_COMMANDS.values()])


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], tuple[list[str], str]]]:
    """Follows a caller's request: the functions that it calls, and its answer.

    This happens in a process of its own: CPython 3.11 hangs in a traced call after other tests of this process have
    raised exceptions in other threads.
    """
    services = tmp_path_factory.mktemp("paths") / "services"
    write_service(services, SERVICE, "box.py")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), find_services, (str(services),)) as process:
        yield lambda face, request: process.submit(way, face, request).result(SECONDS)


def find_services(directory: str) -> None:
    """Keep the shells of a manager that has found its services and started none."""

    async def found() -> Shells:
        manager = new_manager(
            command_line.config_of(command_line.parsed(["--services", directory, "--port", "0"])),
            Storage(None),
            Template(),
        )
        await manager.check()
        return Shells(manager)

    global shells
    shells = asyncio.run(found())


def called(action: Any) -> list[str]:
    """The functions that an action calls, in their order."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_qualname)

    gc.disable()  # what runs at a collection is none of these
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def way(face: str, request: str) -> tuple[list[str], str]:
    """The functions that a line or a method calls, and its answer."""

    async def go() -> tuple[list[str], str]:
        caller = Caller(CONSOLE, permissions=LOOKER.permissions(["looker"]))
        if face == "line":
            output = Collected(lambda: None)
            interpreter = Interpreter(shells, output, lambda: None, False, caller)
            return called(lambda: interpreter.feed(request)), output.text()
        methods = Methods(shells, caller)
        answers: list[Any] = []
        calls = called(lambda: methods.begin(request, {}, lambda *ignored: None, answers.append))
        return calls, json.dumps([answers[0].code, str(answers[0])])

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("denied", "unknown"),
    [
        ("box open", "box qqqq"),
        ("hidden secret", "qqqqqq secret"),
        ("help hidden", "help qqqqqq"),
        ("box open 1 2 --json", "box qqqq 1 2 --json"),
        ("ring", "qqqq"),
        ("help ring", "help qqqq"),
        ("box help open", "box help qqqq"),
        ("help box open", "help box qqqq"),
        ("kill", "qqqq"),
        ("status box", "qqqqqq box"),
        ("restart all", "qqqqqqq all"),
    ],
)
def test_a_line_takes_the_same_way(
    ways: Callable[[str, str], tuple[list[str], str]], denied: str, unknown: str
) -> None:
    ways("line", denied), ways("line", unknown)  # what is remembered for the next time is no difference
    calls, said = ways("line", denied)
    other_calls, other_said = ways("line", unknown)
    assert len(calls) > 10
    assert calls == other_calls
    word, other_word = next(pair for pair in zip(denied.split(), unknown.split(), strict=True) if pair[0] != pair[1])
    assert said.replace(word, other_word) == other_said


@pytest.mark.parametrize(("denied", "unknown"), [("box.open", "box.qqqq"), ("ring", "qqqq"), ("hidden.x", "qqqqqq.x")])
def test_a_method_takes_the_same_way(
    ways: Callable[[str, str], tuple[list[str], str]], denied: str, unknown: str
) -> None:
    ways("method", denied), ways("method", unknown)
    calls, said = ways("method", denied)
    other_calls, other_said = ways("method", unknown)
    assert len(calls) > 5
    assert calls == other_calls
    assert said.replace(denied, unknown) == other_said
