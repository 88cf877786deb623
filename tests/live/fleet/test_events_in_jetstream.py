"""Events that are stored at the hub, by the lines and programs that the page on fleets has for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import nats

from smanager.fleet.subjects import to_all
from tests.conftest import SECONDS
from tests.live.fleet.hubs import FleetHub, NatsServer, lines_on_page, member, running_hub

MESSAGE = b"shop failed"


def run(hub: FleetHub, program: str) -> int:
    """Run a program of the page; returns its exit status."""
    text = lines_on_page(program).replace("hub.example:4222", f"localhost:{hub.port}")
    (hub.directory / "ca.pem").write_bytes((hub.directory / "hub" / "ca.pem").read_bytes())
    command = [sys.executable, "-c", text]
    done = subprocess.run(
        command, cwd=hub.directory, input=MESSAGE, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False
    )
    return done.returncode


async def stored(hub: FleetHub) -> list[tuple[str, bytes]]:
    tls = ssl.create_default_context(cafile=hub.directory / "hub" / "ca.pem")
    owner = await nats.connect(f"tls://localhost:{hub.port}", user="owner", password="owner-secret", tls=tls)
    subscription = await owner.jetstream().subscribe("event.>", ordered_consumer=True)
    message = await subscription.next_msg(timeout=SECONDS)
    await owner.close()
    return [(message.subject, message.data)]


def test_an_event_outlives_the_hub_that_has_taken_it(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        hub.do("add-user", "alice")
        text = lines_on_page("jetstream.conf").replace("/srv/hub", str(tmp_path / "hub"))
        (tmp_path / "hub" / "extra.conf").write_text(text)
        hub.server.kill()
        assert run(hub, "to_hub.py") != 0
        hub.server = NatsServer(tmp_path / "hub")
        assert run(hub, "to_hub.py") != 0  # there is no stream yet, so nothing is stored
        assert run(hub, "make_stream.py") == 0
        assert run(hub, "to_hub.py") == 0
        hub.server.kill()
        hub.server = NatsServer(tmp_path / "hub")
        assert asyncio.run(stored(hub)) == [(f"event.{socket.gethostname()}", MESSAGE)]
        asyncio.run(hear_nothing_of_the_fleet(hub))


async def hear_nothing_of_the_fleet(hub: FleetHub) -> None:
    tls = ssl.create_default_context(cafile=hub.directory / "hub" / "ca.pem")
    owner = await nats.connect(f"tls://localhost:{hub.port}", user="owner", password="owner-secret", tls=tls)
    heard = await owner.subscribe("smanager.>")
    await owner.flush()
    async with member(hub, "alice") as alice:
        await alice.say(to_all("alice"), b"status")
    await owner.publish("smanager.end", b"end")
    assert (await heard.next_msg(timeout=SECONDS)).data == b"end"
    await owner.close()
