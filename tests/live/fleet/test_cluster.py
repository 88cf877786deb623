"""A cluster of three NATS servers, by the lines that the page on fleets has for it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator

import pytest

from smanager.fleet.subjects import ReplyPlace, to_all
from tests.conftest import SECONDS, wait_for
from tests.live.fleet.hubs import FleetHub, NatsServer, fleet, free_port, lines_on_page, member, running_hub

COUNT = 3


class Cluster:
    """Servers with copies of one hub's directory, each on ports of its own."""

    def __init__(self, hub: FleetHub) -> None:
        hub.server.kill()
        self.hub = hub
        self.directories = [hub.directory / f"hub{number}" for number in range(1, COUNT + 1)]
        self.routes = [free_port() for _ in self.directories]
        self.ports = [free_port() for _ in self.directories]
        self.servers = [self._start(number) for number in range(COUNT)]
        wait_for(lambda: all(log.count("Route connection created") >= COUNT - 1 for log in self.logs), "the routes")

    @property
    def logs(self) -> list[str]:
        return [server.log for server in self.servers]

    def address(self, number: int) -> str:
        return f"tls://localhost:{self.ports[number]}"

    def _start(self, number: int) -> NatsServer:
        directory = self.directories[number]
        shutil.copytree(self.hub.directory / "hub", directory)
        text = lines_on_page("cluster.conf").replace("/srv/hub", str(directory))
        text = text.replace("0.0.0.0:6222", f"127.0.0.1:{self.routes[number]}")
        text = re.sub(r"hub(\d)\.example:6222", lambda match: f"127.0.0.1:{self.routes[int(match[1]) - 1]}", text)
        (directory / "extra.conf").write_text(text)
        self.take_record(number)
        return NatsServer(directory)

    def take_record(self, number: int) -> None:
        """As the page says: copy fleet.json, and reload."""
        directory = self.directories[number]
        record = json.loads((self.hub.directory / "hub" / "fleet.json").read_text())
        record["listen"] = f"127.0.0.1:{self.ports[number]}"
        (directory / "fleet.json").write_text(json.dumps(record))
        assert fleet("reload", "--hub", directory.name, directory=self.hub.directory) == 0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_hub(tmp_path_factory.mktemp("cluster")) as hub:
        for user in ("alice", "bob"):
            hub.do("add-user", user)
        hub.do("add-node", "kiosk7")
        cluster = Cluster(hub)
        try:
            yield cluster
        finally:
            for server in cluster.servers:
                server.kill()


async def ask(cluster: Cluster, asked_at: int, answered_at: int) -> None:
    """A user asks at one server, and a node answers at another, as soon as they know of each other."""
    place = ReplyPlace("alice", "s1", "kiosk7")
    async with (
        member(cluster.hub, "alice", [cluster.address(asked_at)]) as alice,
        member(cluster.hub, "kiosk7", [cluster.address(answered_at)]) as node,
    ):
        await node.listen(to_all("*"))
        await alice.listen(place._replace(node="*").subject)
        async with asyncio.timeout(SECONDS):
            while not node.heard:
                await alice.say(to_all("alice"), b"status")
                await asyncio.sleep(0.05)
            while not alice.heard:
                await node.say(place.subject, b"well")
                await asyncio.sleep(0.05)
        assert (node.heard[0], alice.heard[0]) == ((to_all("alice"), b"status"), (place.subject, b"well"))


def test_members_at_different_servers_reach_each_other_also_when_one_is_gone(cluster: Cluster) -> None:
    asyncio.run(ask(cluster, 0, 2))
    cluster.servers[1].kill()
    asyncio.run(ask(cluster, 0, 2))
    cluster.servers[1] = NatsServer(cluster.directories[1])


def test_who_is_removed_is_cut_off_at_each_server_that_has_the_new_record(cluster: Cluster) -> None:
    async def stay() -> None:
        async with (
            member(cluster.hub, "bob", [cluster.address(0)]) as first,
            member(cluster.hub, "bob", [cluster.address(1)]) as second,
        ):
            await asyncio.to_thread(cluster.hub.do, "remove", "bob")
            await asyncio.to_thread(cluster.take_record, 0)
            await asyncio.wait_for(first.closed.wait(), SECONDS)
            assert not second.closed.is_set()
            await asyncio.to_thread(cluster.take_record, 1)
            await asyncio.wait_for(second.closed.wait(), SECONDS)

    asyncio.run(stay())


def test_a_server_without_a_certificate_of_the_authority_cannot_join(cluster: Cluster) -> None:
    directory = cluster.hub.directory / "other"
    directory.mkdir()
    with running_hub(directory) as stranger:
        stranger.server.kill()
        own, hub = cluster.directories[0], directory / "hub"
        text = (own / "extra.conf").read_text().replace(str(own), str(hub))
        (hub / "extra.conf").write_text(
            text.replace(f'listen: "127.0.0.1:{cluster.routes[0]}"', "listen: 127.0.0.1:-1")
        )
        stranger.server = NatsServer(hub)
        wait_for(lambda: "TLS route handshake error" in cluster.servers[0].log, lambda: cluster.servers[0].log)
