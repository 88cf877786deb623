"""A fleet of five real boxes on a real hub: what users get from it, and what is lost of that when parts of it fail."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from smanager.fleet import asking as asking_module
from smanager.fleet import client as client_module
from smanager.fleet import hub as hub_module
from smanager.fleet.asking import GONE, SILENT
from smanager.fleet.hub import HubError
from smanager.fleet.messages import WINDOW, CallRequest, RequestId, decode_piece, encode_request
from smanager.fleet.subjects import ReplyPlace, to_all, to_label, to_node
from tests.conftest import SECONDS, wait_for
from tests.live.fleet.boxes import NAMES, Boxes, all_of, ends, five_boxes, run
from tests.live.fleet.hubs import NatsServer, member

ALL = to_all("alice")


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boxes]:
    with five_boxes(tmp_path_factory.mktemp("fleet")) as boxes:
        yield boxes


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The requester notices within a second what takes ten otherwise."""
    monkeypatch.setattr(asking_module, "SIGN_SECONDS", 0.5)
    monkeypatch.setattr(asking_module, "KEEP_SECONDS", 0.2)
    monkeypatch.setattr(asking_module, "LISTEN_SECONDS", 0.5)
    monkeypatch.setattr(asking_module, "GONE_SECONDS", 1.0)


def of_all(end: tuple[str, Any], **others: tuple[str, Any]) -> dict[str, tuple[str, Any]]:
    """The same end on all boxes, but for others."""
    return {name: others.get(name, end) for name in NAMES}


def test_all_are_asked_and_each_answers(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice:
            nodes, doubled = await alice.discover()
            assert [(node.name, node.labels["site"]) for node in nodes] == [
                (name, "there" if name == "far" else "here") for name in NAMES
            ]
            assert doubled == []
            async with alice.ask("box.work", ["a"], alice.known.names, ALL) as asking:
                assert ends(await all_of(asking)) == of_all(("result", "worked a"))
        assert boxes.counts("work a") == [1] * 5

    run(work)


def test_nodes_may_be_looked_for_twice_at_once(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice:
            for nodes, doubled in await asyncio.gather(alice.discover(), alice.discover()):
                assert ([node.name for node in nodes], doubled) == (list(NAMES), [])

    run(work)


def test_a_label_reaches_those_that_have_it(boxes: Boxes) -> None:
    async def work() -> None:
        async with (
            boxes.user() as alice,
            alice.ask("box.work", ["b"], [], to_label("alice", "site", "there")) as asking,
        ):
            assert ends(await all_of(asking)) == {"far": ("result", "worked b")}
        assert boxes.counts("work b") == [0, 0, 0, 0, 1]

    run(work)


def test_each_box_decides_who_may_do_what(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user("bob") as bob:
            async with bob.ask("box.lines", [1], NAMES) as asking:
                assert {kind for kind, _ in ends(await all_of(asking)).values()} == {"result"}
            async with bob.ask("box.work", ["c"], NAMES) as asking:
                assert {kind for kind, _ in ends(await all_of(asking)).values()} == {"error"}
        async with boxes.user("carol") as carol, carol.ask("status", [], ["box1"]) as asking:
            [(_, [_, problem, _])] = ends(await all_of(asking)).values()
            assert problem == "carol has no role here; roles in [fleet] of box1 give users roles"
        told = "carol asked for 'status', and has no role here"
        ask = boxes["box1"].server.ask
        await asyncio.to_thread(
            wait_for, lambda: all(told in ask(command) for command in ("events fleet\n", "logs fleet\n")), told
        )
        assert boxes.counts("work c") == [0] * 5

    run(work)


def test_the_journal_names_the_user_and_the_hub(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice, alice.ask("box.work", ["d"], ["box2"]) as asking:
            await all_of(asking)
        entries = [json.loads(line) for line in boxes["box2"].journal().splitlines()]
        [entry] = [entry for entry in entries if entry.get("arguments") == {"mark": "d"}]
        assert (entry["name"], entry["from"]) == ("box.work", "service fleet as alice@localhost")

    run(work)


def test_streams_come_whole_and_in_order(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice, alice.ask("box.lines", [1500], NAMES) as asking:
            answers = await all_of(asking)
        assert sorted(answers) == list(NAMES)
        for heard in answers.values():
            assert [one.value for one in heard] == [*range(1500), None]

    run(work)


def test_a_value_that_is_longer_than_any_message_comes_whole(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice, alice.ask("box.long", [3_000_000], ["box1", "far"]) as asking:
            answers = await all_of(asking)
        assert [(name, len(heard[-1].value)) for name, heard in sorted(answers.items())] == [
            ("box1", 3_000_000),
            ("far", 3_000_000),
        ]

    run(work)


def test_a_request_that_is_too_long_for_the_hub_is_refused_before(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice:
            with pytest.raises(
                HubError, match=r"box\.work: the request has 2\d+ bytes, and the hub takes at most 1048576"
            ):
                async with alice.ask("box.work", ["x" * 2_000_000], ["box1"]):
                    pass

    run(work)


def test_who_leaves_ends_the_command_on_all_boxes(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice:
            async with alice.ask("box.wait", ["e"], NAMES, ALL):
                await asyncio.to_thread(boxes.wait_for_notes, "begin e")
            await asyncio.to_thread(boxes.wait_for_notes, "end e")

    run(work)


def test_who_is_not_connected_is_named_at_once(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice, alice.ask("box.work", ["f"], ["box1", "nonesuch"]) as asking:
            assert ends(await all_of(asking)) == {"box1": ("result", "worked f"), "nonesuch": (SILENT, None)}

    run(work)


def test_a_slow_reader_stops_the_node_and_nobody_else(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice, alice.ask("box.flood", [], ["box1"]) as flood:
            for _ in range(20):  # in which a flood without limits would come to megabytes
                async with alice.ask("box.lines", [10], ["box1", "box2"]) as asking:
                    assert {kind for kind, _ in ends(await all_of(asking)).values()} == {"result"}
            size = sum(len(heard.value) for heard in await flood.some())
            assert WINDOW // 2 < size <= WINDOW
            while size < 4 * WINDOW:
                size += sum(len(heard.value) for heard in await flood.some())

    run(work)


def test_a_repeated_request_runs_once(boxes: Boxes) -> None:
    async def work() -> None:
        async with member(boxes.hub, "alice") as alice:
            await alice.listen(ReplyPlace("alice", "replayed", "*").subject)
            request = CallRequest(RequestId("replayed", 1), "box.work", ["g"])
            for subject in (to_node("alice", "box1"), ALL, to_node("alice", "box1")):
                await alice.say(subject, encode_request(request))
            answered: dict[str, bytes] = {}
            while len(answered) < len(NAMES):
                subject, data = await alice.next()
                _, piece = decode_piece(data)
                if piece.kind.is_last:
                    assert answered.setdefault(subject, piece.data) == b'"worked g"'
        assert boxes.counts("work g") == [1] * 5

    run(work)


def test_a_forged_request_reaches_no_box(boxes: Boxes) -> None:
    async def work() -> None:
        request = encode_request(CallRequest(RequestId("forged", 1), "box.work", ["h"]))
        async with member(boxes.hub, "bob") as bob:
            for subject in (ALL, to_node("alice", "box1"), "smanager.*.all", "smanager.>"):
                await bob.say(subject, request)
            assert len(await bob.refused(4)) == 4
        async with boxes.user() as alice, alice.ask("box.work", ["i"], NAMES) as asking:  # which comes later
            await all_of(asking)
        assert (boxes.counts("work h"), boxes.counts("work i")) == ([0] * 5, [1] * 5)

    run(work)


def test_garbage_and_odd_sessions_do_a_node_nothing(boxes: Boxes) -> None:
    async def work() -> None:
        async with member(boxes.hub, "alice") as connection:
            for data in (b"", b"[" * 50_000, b'{"session":"a.b c\\r\\nPING","id":1,"call":"status","params":[]}'):
                await connection.say(ALL, data)
        async with boxes.user() as alice, alice.ask("box.lines", [1], NAMES) as asking:
            assert ends(await all_of(asking)) == of_all(("result", None))

    run(work)


@pytest.mark.usefixtures("impatient")
def test_a_nodes_host_that_is_killed_in_the_middle_does_not_run_the_command_again(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice, alice.ask("box.wait", ["j"], NAMES, ALL) as asking:
            await boxes.begun(asking, "j")
            os.kill(boxes["box3"].host(), signal.SIGKILL)
            await asyncio.to_thread(boxes.wait_for_notes, "end j", (0, 0, 1, 0, 0))
            for box in boxes.boxes.values():
                box.make("j")
            answers = ends(await all_of(asking))
            kind, value = answers["box3"]
            assert kind == GONE or "whether the command has run is not known" in value[1]
            assert answers == of_all(("result", "waited j"), box3=(kind, value))
        wait_for(boxes["box3"].is_connected, "the killed host to be back")
        assert boxes.counts("begin j") == [1] * 5

    run(work)


def test_a_hub_that_is_killed_and_comes_back_loses_no_answer_and_asks_nobody_twice(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice, alice.ask("box.wait", ["k"], NAMES, ALL) as asking:
            await boxes.begun(asking, "k")
            boxes.hub.server.kill()
            for box in boxes.boxes.values():
                box.make("k")
            await asyncio.to_thread(boxes.wait_for_notes, "end k")  # and the answers are lost
            boxes.hub.server = await asyncio.to_thread(NatsServer, boxes.hub.server.hub)
            assert ends(await all_of(asking)) == of_all(("result", "waited k"))
        assert boxes.counts("begin k") == [1] * 5

    run(work)


def test_a_hub_that_is_frozen_is_noticed_and_the_answer_comes_later(
    boxes: Boxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "LOOK_SECONDS", 0.2)

    async def work() -> None:
        async with boxes.user() as alice, alice.ask("box.wait", ["l"], NAMES) as asking:
            await boxes.begun(asking, "l")
            boxes.hub.server.process.send_signal(signal.SIGSTOP)
            try:
                await asyncio.to_thread(wait_for, lambda: alice.problem, "the loss to be noticed")
                for box in boxes.boxes.values():
                    box.make("l")
                await asyncio.to_thread(boxes.wait_for_notes, "end l")
            finally:
                boxes.hub.server.process.send_signal(signal.SIGCONT)
            assert ends(await all_of(asking)) == of_all(("result", "waited l"))
        assert boxes.counts("begin l") == [1] * 5

    run(work)


@pytest.mark.usefixtures("impatient")
def test_a_node_that_is_cut_off_is_gone_for_its_requester_alone(boxes: Boxes) -> None:
    async def work() -> None:
        async with boxes.user() as alice:
            async with alice.ask("box.wait", ["m"], NAMES, ALL) as asking:
                await boxes.begun(asking, "m")
                boxes.relay.swallow()
                for name in NAMES[:-1]:
                    boxes[name].make("m")
                assert ends(await all_of(asking)) == of_all(("result", "waited m"), far=(GONE, None))
            boxes.relay.heal()
            async with asyncio.timeout(SECONDS):
                while "far" not in {node.name for node in (await alice.discover())[0]}:
                    pass
            boxes["far"].make("m")
            async with alice.ask("box.work", ["n"], NAMES) as asking:
                assert ends(await all_of(asking)) == of_all(("result", "worked n"))
        assert boxes.counts("begin m") == [1] * 5

    run(work)


@pytest.mark.usefixtures("impatient")
def test_a_frozen_node_is_silent_and_does_not_go_on_with_what_was_given_up(boxes: Boxes) -> None:
    async def work() -> None:
        host = boxes["box4"].host()
        async with boxes.user() as alice, alice.ask("box.wait", ["o"], NAMES, ALL) as asking:
            os.kill(host, signal.SIGSTOP)
            try:
                for name in ("box1", "box2", "box3", "far"):
                    boxes[name].make("o")
                answers = await all_of(asking)
            finally:
                os.kill(host, signal.SIGCONT)
            assert ends(answers)["box4"][0] in (SILENT, GONE)
            async with alice.ask("box.work", ["p"], ["box4"]) as later:
                assert ends(await all_of(later)) == {"box4": ("result", "worked p")}
        wait_for(lambda: boxes["box4"].count("begin o") == boxes["box4"].count("end o"), "the command to end")

    run(work)


def test_a_revoked_user_is_cut_off_and_told_why(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with boxes.user("carol") as carol:
            await asyncio.to_thread(boxes.hub.do, "remove", "carol")
            await asyncio.to_thread(
                wait_for, lambda: "were these credentials revoked?" in carol.problem, lambda: carol.problem
            )
        monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.5)
        with pytest.raises(HubError, match=r"no hub: .*these credentials"):
            async with boxes.user("carol"):
                pass

    run(work)
