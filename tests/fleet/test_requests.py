"""What a node does with requests: once each, under the roles of the user, and with an end that is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from smanager.fleet import replies
from smanager.fleet import requests as requests_module
from smanager.fleet.messages import (
    GONE_SECONDS,
    HIGHEST,
    AliveRequest,
    CallRequest,
    CancelRequest,
    PieceKind,
    Request,
    RequestId,
    TakenRequest,
    decode_piece,
    encode_request,
)
from smanager.fleet.replies import REMEMBERED_SECONDS
from smanager.fleet.requests import CANCELLED, FAILED, MOST_OF_USER, WAY_SECONDS, Requests
from smanager.fleet.subjects import to_all, to_node
from smanager.service import ManagerClient, ManagerError

BEGAN = 1000.0


class Canned(ManagerClient):
    """A manager that answers `say` at once, `wait` never, and `leave` without an end; it counts what has run."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.ended: list[str] = []

    async def follow_async(
        self, method: str, params: Mapping[str, object] | Sequence[object] = ()
    ) -> AsyncGenerator[tuple[str, Any], None]:
        self.ran.append(method)
        try:
            match method:
                case "say":
                    yield "item", params
                    yield "progress", {"done": 1, "total": 2, "text": ""}
                    yield "result", "said"
                case "wait":
                    await asyncio.Event().wait()
                case "flood":
                    while True:
                        yield "item", "x" * 1000
                case "fail":
                    raise ManagerError("it has failed", -32001, {"line": 1})
                case "nan":
                    yield "result", float("nan")
                case "odd":
                    yield "unheard of", 1
        finally:
            self.ended.append(method)


class Node:
    """The requests of one node, and what it has published."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.manager, self.other = Canned(), Canned()
        self.published: list[tuple[str, int, PieceKind, Any]] = []
        self.told: list[tuple[str, str]] = []
        self.requests = Requests(
            "box",
            {"alice": self.manager, "bob": self.other},
            self._publish,
            lambda: 0,
            lambda: self.now,
            lambda user, text: self.told.append((user, text)),
        )
        self.now += 2 * WAY_SECONDS

    async def _publish(self, subject: str, data: bytes) -> None:
        number, piece = decode_piece(data)
        self.published.append((subject, number, piece.kind, json.loads(piece.data or b"null")))

    async def hear(self, request: Request, user: str = "alice", subject: str = "") -> None:
        await self.requests.receive(subject or to_node(user, "box"), encode_request(request))
        await settled()

    @property
    def ends(self) -> list[tuple[int, Any]]:
        """The ends of replies: the request, and its result or error."""
        return [(number, value) for _, number, kind, value in self.published if kind.is_last]


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def call(method: str, number: int = 1, age: float = 0.0, first: int = 0, session: str = "s") -> CallRequest:
    return CallRequest(RequestId(session, number), method, ["hi"], age, first)


History = Callable[[Node], Coroutine[Any, Any, None]]


def with_node(history: History) -> Callable[[], None]:
    """A test that runs beside a node, whose requests all end."""

    def test() -> None:
        async def run() -> None:
            node = Node()
            await history(node)
            await node.requests.end()
            assert node.requests.count == 0
            assert len(node.manager.ran) == len(node.manager.ended)

        asyncio.run(run())

    test.__name__ = history.__name__
    test.__doc__ = history.__doc__
    return test


@with_node
async def test_a_request_is_answered_to_its_session(node: Node) -> None:
    await node.hear(call("say"))
    place = "smanager-reply.alice.s.box"
    assert node.published == [
        (place, 1, PieceKind.ITEM, ["hi"]),
        (place, 1, PieceKind.PROGRESS, {"done": 1, "total": 2, "text": ""}),
        (place, 1, PieceKind.RESULT, "said"),
    ]


@with_node
async def test_the_subject_alone_says_whose_request_it_is(node: Node) -> None:
    await node.hear(call("say"), subject=to_all("bob"))
    assert (node.manager.ran, node.other.ran) == ([], ["say"])


@with_node
async def test_a_user_without_a_role_is_refused(node: Node) -> None:
    await node.hear(call("say"), user="eve")
    assert node.ends == [(1, [FAILED, "eve has no role here; roles in [fleet] of box give users roles", None])]


@with_node
async def test_the_box_is_told_once_of_a_user_without_a_role(node: Node) -> None:
    await node.hear(CancelRequest(RequestId("s", 1)), user="eve")
    assert node.told == []
    for number in range(3):
        await node.hear(call("say", number), user="eve")
    await node.hear(call("say"), user="alice")
    assert node.told == [("eve", "eve asked for 'say', and has no role here")]


@with_node
async def test_a_request_that_is_heard_again_runs_once(node: Node) -> None:
    await node.hear(call("say"))
    first = list(node.published)
    for subject in (to_all("alice"), to_node("alice", "box")):
        await node.hear(call("say", age=0.5), subject=subject)
    await node.hear(call("say", age=2.0, first=2))
    assert node.published == first * 3 + first[2:]
    await node.hear(call("say", number=2))
    await node.hear(call("say", session="other"))
    await node.hear(call("say"), user="bob")
    assert (node.manager.ran, node.other.ran) == (["say"] * 3, ["say"])


@with_node
async def test_a_request_that_runs_and_is_heard_again_is_joined(node: Node) -> None:
    await node.hear(call("wait"))
    await node.hear(call("wait", age=0.4))
    assert node.manager.ran == ["wait"]
    assert [kind for _, _, kind, _ in node.published] == [PieceKind.ALIVE]


@with_node
async def test_a_cancel_right_after_the_call_ends_it_and_is_told(node: Node) -> None:
    await node.requests.receive(to_node("alice", "box"), encode_request(call("wait")))
    for _ in range(3):
        await node.requests.receive(to_node("alice", "box"), encode_request(CancelRequest(RequestId("s", 1))))
    await settled()
    assert node.ends == [(1, [CANCELLED, "wait: cancelled", None])]
    assert node.requests.count == 0
    await node.hear(call("wait", age=1.0))
    assert node.manager.ran == ["wait"]


@with_node
async def test_nobody_ends_the_request_of_another(node: Node) -> None:
    await node.hear(call("wait"))
    await node.hear(CancelRequest(RequestId("s", 1)), user="bob")
    await node.hear(CancelRequest(RequestId("other", 1)))
    assert node.requests.count == 1


@with_node
async def test_a_cancel_reaches_a_command_whose_reader_is_slow(node: Node) -> None:
    await node.hear(call("flood"))
    sent = len(node.published)
    await settled()
    assert len(node.published) == sent
    await node.hear(TakenRequest(RequestId("s", 1), sent))
    assert len(node.published) > sent
    await node.hear(CancelRequest(RequestId("s", 1)))
    assert node.ends == [(1, [CANCELLED, "flood: cancelled", None])]


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        ("fail", [-32001, "it has failed", {"line": 1}]),
        ("leave", [FAILED, "leave: the fleet's service here was stopped", None]),
        ("nan", [FAILED, "nan: Out of range float values are not JSON compliant", None]),
        ("odd", [FAILED, "odd: 'unheard of' is not a valid PieceKind", None]),
    ],
)
def test_every_request_has_an_end(method: str, problem: list[Any]) -> None:
    async def history(node: Node) -> None:
        await node.hear(call(method))
        [(_, [code, text, data])] = node.ends
        assert (code, data) == (problem[0], problem[2])
        assert text.startswith(problem[1])  # Python 3.13 adds the number

    with_node(history)()


UNKNOWN = "whether the command has run is not known"


@pytest.mark.parametrize(
    ("uptime", "age", "runs"),
    [
        (0.0, 0.0, True),
        (0.0, 1.0, False),
        (10.0, 60.0, False),
        (10.0, 10.0, False),
        (10.0, 10.0 - WAY_SECONDS, False),  # it may have been on its way while the service was started
        (10.0, 9.9 - WAY_SECONDS, True),
        (2 * REMEMBERED_SECONDS, REMEMBERED_SECONDS, True),
        (10.0, float(HIGHEST), False),
    ],
)
def test_a_request_from_before_the_service_was_started_is_refused(uptime: float, age: float, runs: bool) -> None:
    async def history(node: Node) -> None:
        node.now = BEGAN + uptime
        await node.hear(call("say", age=age))
        assert node.manager.ran == ["say"] * runs
        assert (UNKNOWN in str(node.ends[0])) is not runs

    with_node(history)()


@with_node
async def test_a_request_that_may_be_forgotten_is_refused(node: Node) -> None:
    await node.hear(call("say"))
    node.now += REMEMBERED_SECONDS + 1
    await node.hear(call("say", number=2))  # with which the first is forgotten
    await node.hear(call("say", age=REMEMBERED_SECONDS + 1))
    assert len(node.manager.ran) == 2
    assert UNKNOWN in str(node.ends[-1])


@with_node
async def test_a_user_without_a_role_pushes_out_nothing_that_is_remembered(node: Node) -> None:
    await node.hear(call("say"))
    for number in range(5000):
        await node.requests.receive(to_node("eve", "box"), encode_request(call("say", number)))
    await node.hear(call("say", age=1.0))
    assert node.manager.ran == ["say"]
    assert node.ends[-1] == (1, "said")


def test_only_so_many_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_module, "MOST_RUNNING", 3)

    async def history(node: Node) -> None:
        for number in range(2):
            await node.hear(call("wait", number))
            await node.hear(call("wait", number), user="bob")
        assert node.ends == [(1, [FAILED, "3 requests run here already; wait for the end of some", None])]
        await node.hear(CancelRequest(RequestId("s", 0)))
        await node.hear(call("wait", 1, age=1.0), user="bob")  # it was refused, and stays so
        assert node.requests.count == 2

    with_node(history)()


@with_node
async def test_a_user_leaves_room_for_others(node: Node) -> None:
    for number in range(MOST_OF_USER + 1):
        await node.hear(call("wait", number))
    problem = f"{MOST_OF_USER} requests of alice run here already; wait for the end of some"
    assert node.ends == [(MOST_OF_USER, [FAILED, problem, None])]
    await node.hear(call("say"), user="bob")
    assert node.other.ran == ["say"]


def test_a_user_pushes_out_nothing_that_is_remembered_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST_REMEMBERED", 2)

    async def history(node: Node) -> None:
        await node.hear(call("say"))
        for number in range(3):
            await node.hear(call("say", number), user="bob")
        await node.hear(call("say", age=1.0))
        await node.hear(call("say", 7, age=2.0))
        assert node.manager.ran == ["say"] * 2
        await node.hear(call("say", 0, age=1.0), user="bob")
        assert UNKNOWN in str(node.ends[-1])

    with_node(history)()


@with_node
async def test_what_runs_for_a_session_that_is_gone_is_ended(node: Node) -> None:
    for session in ("gone", "there"):
        await node.hear(call("wait", session=session))
    node.now += GONE_SECONDS - 1
    await node.hear(AliveRequest("there"))
    await node.hear(AliveRequest("there"), user="bob")
    node.now += 2
    node.requests.end_silent()
    node.requests.end_silent()
    await settled()
    assert [(place, value) for place, _, kind, value in node.published if kind.is_last] == [
        ("smanager-reply.alice.gone.box", [CANCELLED, "wait: cancelled", None])
    ]
    assert node.requests.count == 1


@with_node
async def test_a_session_hears_that_its_request_runs(node: Node) -> None:
    await node.hear(call("wait"))
    await node.hear(call("wait", 2))
    await node.hear(AliveRequest("s"))
    assert [(number, kind) for _, number, kind, _ in node.published] == [(1, PieceKind.ALIVE), (2, PieceKind.ALIVE)]


@with_node
async def test_the_end_of_the_service_is_told_to_all(node: Node) -> None:
    await node.hear(call("wait"))
    await node.hear(call("flood", 2), user="bob")
    await node.requests.receive(to_node("alice", "box"), encode_request(CancelRequest(RequestId("s", 1))))
    await node.requests.end()
    assert sorted(number for number, _ in node.ends) == [1, 2]


@with_node
async def test_garbage_is_left(node: Node) -> None:
    for data in (b"", b"{}", b"[" * 100_000, b'{"session":"a\\r\\nb","id":1,"call":"say","params":[]}'):
        await node.requests.receive(to_node("alice", "box"), data)
    await node.hear(TakenRequest(RequestId("s", 7), 5))
    await node.hear(CancelRequest(RequestId("s", 7)))
    await node.hear(AliveRequest("s"))
    assert (node.published, node.manager.ran) == ([], [])
