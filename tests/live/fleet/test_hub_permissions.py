"""What a hub set up by `smanager fleet` lets its members say and hear, shown by NATS' own client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from smanager.fleet import running_hub as running_hub_module
from smanager.fleet.subjects import DISCOVERY, ReplyPlace, inbox_of, to_all, to_label, to_node
from tests.conftest import SECONDS
from tests.live.fleet.hubs import Connection, FleetHub, fleet, member, running_hub

REFUSED = r"(?i)authorization violation"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetHub]:
    with running_hub(tmp_path_factory.mktemp("permissions")) as hub:
        for user in ("alice", "bob"):
            hub.do("add-user", user, "--roles", "operate")
        hub.do("add-node", "kiosk7", "-l", "site=lab3")
        hub.do("add-node", "kiosk8", "-l", "site=lab4")
        yield hub


def test_a_user_may_ask_a_node_in_all_three_ways_and_hears_its_reply(hub: FleetHub) -> None:
    place = ReplyPlace("alice", "s1", "kiosk7")

    async def ask() -> None:
        async with member(hub, "alice") as alice, member(hub, "kiosk7") as node:
            await node.listen(to_node("*", "kiosk7"), to_all("*"), to_label("*", "site", "lab3"))
            await alice.listen(place._replace(node="*").subject)
            for subject in (to_node("alice", "kiosk7"), to_all("alice"), to_label("alice", "site", "lab3")):
                await alice.say(subject, b"status")
                assert await node.next() == (subject, b"status")
            await node.say(place.subject, b"well")
            assert await alice.next() == (place.subject, b"well")
            assert alice.errors == node.errors == []

    asyncio.run(ask())


def test_a_user_cannot_ask_as_another(hub: FleetHub) -> None:
    async def ask() -> None:
        async with member(hub, "alice") as alice, member(hub, "kiosk7") as node:
            await node.listen(to_node("*", "kiosk7"), to_all("*"))
            await alice.say(to_node("bob", "kiosk7"), b"forged")
            await alice.say(to_all("bob"), b"forged")
            await alice.say(to_all("alice"), b"own")
            assert await node.next() == (to_all("alice"), b"own")
            assert all("permissions violation for publish" in error for error in await alice.refused(2))

    asyncio.run(ask())


def test_a_node_cannot_answer_as_another(hub: FleetHub) -> None:
    places = [ReplyPlace("alice", "s1", node) for node in ("kiosk7", "kiosk8")]

    async def answer() -> None:
        async with member(hub, "alice") as alice, member(hub, "kiosk8") as node:
            await alice.listen(places[0]._replace(node="*").subject)
            for place in places:
                await node.say(place.subject, place.node.encode())
            assert await alice.next() == (places[1].subject, b"kiosk8")
            assert "permissions violation for publish" in (await node.refused())[0]

    asyncio.run(answer())


NOT_HEARD = {
    "kiosk7": (
        to_label("*", "site", "lab4"), to_label("*", "site", "*"), to_node("*", "kiosk8"), to_node("*", "*"),
        "smanager.>", ">", "smanager-reply.>", "_INBOX_alice.>", "$SYS.>",
    ),
    "alice": (
        ReplyPlace("bob", "*", "*").subject, "smanager-reply.>", f"{inbox_of('bob')}.>", "_INBOX.>",
        to_all("*"), to_all("alice"), ">", "*.>", "$SYS.>", "$SRV.>",
    ),
}  # fmt: skip

NOT_SAID = {
    "kiosk7": (
        to_all("alice"), to_node("alice", "kiosk8"), f"{inbox_of('alice')}.about", DISCOVERY, "$SYS.REQ.SERVER.PING",
        "$JS.API.INFO", "anything",
    ),
    "alice": (
        ReplyPlace("alice", "s1", "kiosk7").subject, ReplyPlace("bob", "s1", "kiosk7").subject,
        f"{inbox_of('bob')}.about", "$SRV.PING.others", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "anything",
    ),
}  # fmt: skip


def pairs(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(name, subject) for name, subjects in table.items() for subject in subjects]


@pytest.mark.parametrize("name", NOT_HEARD)
def test_a_member_hears_nothing_that_is_for_others(hub: FleetHub, name: str) -> None:
    async def listen() -> list[str]:
        async with member(hub, name) as connection:
            await connection.listen(*NOT_HEARD[name])
            return await connection.refused(len(NOT_HEARD[name]))

    for error, subject in zip(asyncio.run(listen()), NOT_HEARD[name], strict=True):
        assert f'permissions violation for subscription to "{subject.lower()}"' in error


@pytest.mark.parametrize("name", NOT_SAID)
def test_a_member_says_nothing_that_is_for_others_to_say(hub: FleetHub, name: str) -> None:
    async def speak() -> list[str]:
        async with member(hub, name) as connection:
            for subject in NOT_SAID[name]:
                await connection.say(subject)
            return await connection.refused(len(NOT_SAID[name]))

    for error, subject in zip(asyncio.run(speak()), NOT_SAID[name], strict=True):
        assert f'permissions violation for publish to "{subject.lower()}"' in error


def test_a_node_may_answer_a_question_about_itself_once(hub: FleetHub) -> None:
    inbox = f"{inbox_of('alice')}.x.about"

    async def ask() -> None:
        async with member(hub, "alice") as alice, member(hub, "kiosk7") as node:
            await node.listen(DISCOVERY)
            await alice.listen(inbox)
            await alice.say(DISCOVERY, b"", inbox)
            await node.next()
            await node.say(inbox, b"here")
            assert await alice.next() == (inbox, b"here")
            await node.say(inbox, b"here again")
            assert "permissions violation for publish" in (await node.refused())[0]

    asyncio.run(ask())


@pytest.mark.parametrize("name", ["carol", "kiosk9"])
def test_a_removed_member_is_cut_off_at_once_and_not_let_in_again(hub: FleetHub, name: str) -> None:
    hub.do(*(("add-user", name) if name == "carol" else ("add-node", name)))

    async def stay() -> None:
        async with member(hub, name) as connection:
            await asyncio.to_thread(hub.do, "remove", name)
            await asyncio.wait_for(connection.closed.wait(), SECONDS)
        with pytest.raises(nats.errors.Error, match=REFUSED):
            async with member(hub, name):
                pass

    asyncio.run(stay())


def test_a_change_leaves_the_connections_of_others(hub: FleetHub) -> None:
    async def stay() -> None:
        async with member(hub, "alice") as alice, member(hub, "kiosk7") as node:
            await node.listen(to_all("*"))
            await asyncio.to_thread(hub.do, "add-user", "dora")
            await asyncio.to_thread(hub.do, "remove", "dora")
            await alice.say(to_all("alice"), b"still here")
            assert await node.next() == (to_all("alice"), b"still here")

    asyncio.run(stay())


def test_a_hub_that_does_not_take_a_change_is_told_of(
    hub: FleetHub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running_hub_module, "TAKE_SECONDS", 0.5)
    hub.do("add-user", "erin")
    extra = hub.directory / "hub" / "extra.conf"
    before = extra.read_text()
    for mistake in ("no_such_setting: 1", "not { a configuration", "server_name: other"):  # the last: not by a reload
        extra.write_text(mistake)
        assert fleet("reload", directory=hub.directory) == 1
        told = capfd.readouterr().err
        assert f"the hub, process {hub.server.process.pid}, has not taken the change, and its log says why\n" in told
    extra.write_text(before)
    hub.do("remove", "erin")


def test_who_has_no_key_is_not_let_in(tmp_path: Path) -> None:
    """Nor while a hub has no member: a NATS server without users lets everyone in."""
    with running_hub(tmp_path) as hub:
        hub.do("add-node", "kiosk7")
        hub.do("remove", "kiosk7")
        tls = ssl.create_default_context(cafile=tmp_path / "hub" / "ca.pem")
        for login in ({}, {"nkeys_seed_str": (tmp_path / "kiosk7" / "seed.nk").read_text().strip()}):
            connection = Connection()
            with pytest.raises(nats.errors.Error, match=REFUSED):
                asyncio.run(connection.connect([f"tls://localhost:{hub.port}"], tls, **login))
