"""A site with a hub of its own, whose nodes users of the main hub ask, by the lines of the page on fleets."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from smanager.fleet.subjects import DISCOVERY, ReplyPlace, inbox_of, to_all
from tests.conftest import SECONDS, wait_for
from tests.live.fleet.hubs import (
    Connection,
    FleetHub,
    NatsServer,
    free_port,
    lines_on_page,
    member,
    nats_server,
    running_hub,
)

OLDEST = (2, 10)  # earlier servers do not check the keys of leaf nodes
LINKED = "Leafnode connection created"
PLACE = ReplyPlace("alice", "s1", "kiosk7")


class LinkedHubs:
    """The main hub, and the hub of a site."""

    def __init__(self, main: FleetHub, site: FleetHub) -> None:
        self.main, self.site = main, site
        self._port = free_port()
        main.do("add-user", "alice")
        main.do("add-node", "central")
        main.do("add-site", "lab3")
        site.do("add-node", "kiosk7")
        text = lines_on_page("sites.conf").replace("/srv/hub", str(main.directory / "hub"))
        (main.directory / "hub" / "extra.conf").write_text(text.replace("0.0.0.0:7422", f"127.0.0.1:{self._port}"))
        self.restart(main)
        self.link((main.directory / "lab3.conf").read_text())
        wait_for(lambda: LINKED in main.server.log, lambda: main.server.log + site.server.log)

    def link(self, lines: str) -> None:
        """Have the site's hub connect to the main one by these lines."""
        lines = lines.replace("localhost:7422", f"localhost:{self._port}")
        lines = lines.replace("hub/lab3-ca.pem", str(self.main.directory / "lab3-ca.pem"))
        (self.site.directory / "hub" / "extra.conf").write_text(lines)
        self.restart(self.site)

    def restart(self, hub: FleetHub) -> None:
        hub.server.kill()
        hub.server = NatsServer(hub.directory / "hub")


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkedHubs]:
    version = subprocess.run([nats_server(), "--version"], capture_output=True, text=True, timeout=SECONDS, check=True)
    if tuple(map(int, re.findall(r"\d+", version.stdout)[:2])) < OLDEST:
        pytest.skip(f"sites need a newer NATS server than {version.stdout.strip()}")
    directory = tmp_path_factory.mktemp("sites")
    for name in ("main", "site"):
        (directory / name).mkdir()
    with running_hub(directory / "main") as main, running_hub(directory / "site") as site:
        yield LinkedHubs(main, site)


@asynccontextmanager
async def met(hubs: LinkedHubs) -> AsyncIterator[tuple[Connection, Connection]]:
    """A user of the main hub and a node of the site, who know of each other."""
    async with member(hubs.main, "alice") as alice, member(hubs.site, "kiosk7") as node:
        await node.listen(to_all("*"), DISCOVERY)
        await alice.listen(PLACE._replace(node="*").subject, f"{inbox_of('alice')}.>")
        async with asyncio.timeout(SECONDS):
            while not node.heard:
                await alice.say(to_all("alice"), b"status")
                await asyncio.sleep(0.05)
            while not alice.heard:
                await node.say(PLACE.subject, b"well")
                await asyncio.sleep(0.05)
        yield alice, node


def test_a_node_of_the_site_hears_and_answers_and_is_discovered(hubs: LinkedHubs) -> None:
    inbox = f"{inbox_of('alice')}.x.about"

    async def ask() -> None:
        async with met(hubs) as (alice, node):
            assert (node.heard[0], alice.heard[0]) == ((to_all("alice"), b"status"), (PLACE.subject, b"well"))
            await alice.say(DISCOVERY, b"", inbox)
            while (await node.next())[0] != DISCOVERY:
                pass
            await node.say(inbox, b"here")
            while (await alice.next()) != (inbox, b"here"):
                pass

    asyncio.run(ask())


async def stranger(hub: FleetHub) -> Connection:
    """Somebody whom a hub lets do everything, as whoever owns that machine can see to."""
    connection = Connection()
    tls = ssl.create_default_context(cafile=hub.directory / "hub" / "ca.pem")
    await connection.connect([f"tls://localhost:{hub.port}"], tls, user="owner", password="owner")
    return connection


def test_the_owner_of_a_site_can_neither_ask_as_a_user_nor_hear_replies_of_others(hubs: LinkedHubs) -> None:
    settings = hubs.site.directory / "hub" / "nats.conf"
    before = settings.read_text()
    owner = json.dumps({"user": "owner", "password": "owner", "permissions": {"publish": ">", "subscribe": ">"}})
    settings.write_text(before.replace("  users: [", f"  users: [\n    {owner}"))
    hubs.restart(hubs.site)

    async def intrude() -> None:
        async with met(hubs) as (alice, _), member(hubs.main, "central") as central:
            intruder = await stranger(hubs.site)
            await intruder.listen("smanager-reply.>", f"{inbox_of('alice')}.>")
            await central.listen(to_all("*"))
            await intruder.say(to_all("alice"), b"forged")
            await intruder.say(PLACE.subject, b"after the forged one")  # the site's nodes may say that
            while (await alice.next())[1] != b"after the forged one":
                pass
            await alice.say(to_all("alice"), b"own")
            assert await central.next() == (to_all("alice"), b"own")
            intruder.heard.clear()
            await central.say(PLACE._replace(node="central").subject, b"of the main hub")
            assert await alice.next() == (PLACE._replace(node="central").subject, b"of the main hub")
            await intruder.say(PLACE.subject, b"end")  # which it hears itself
            assert await intruder.next() == (PLACE.subject, b"end")
            await intruder.client.close()

    try:
        asyncio.run(intrude())
    finally:
        settings.write_text(before)
        hubs.restart(hubs.site)


def test_a_site_without_its_key_is_not_let_in_and_a_removed_one_neither(hubs: LinkedHubs) -> None:
    lines = (hubs.main.directory / "lab3.conf").read_text()
    refused = "authentication error"
    hubs.link(re.sub(r"nkey: .*", "", lines))
    wait_for(lambda: refused in hubs.main.server.log, lambda: hubs.main.server.log)
    hubs.link(lines)
    wait_for(lambda: LINKED in hubs.site.server.log.split("Server is ready")[1], lambda: hubs.site.server.log)
    hubs.main.do("remove", "lab3")
    hubs.restart(hubs.main)  # as the command says
    wait_for(lambda: refused in hubs.main.server.log, lambda: hubs.main.server.log)
    assert "JetStream using domains" not in hubs.main.server.log  # which follows a login
