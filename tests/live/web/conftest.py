"""Managers with a page, and browsers at it."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.live.security.conftest import files
from tests.live.web.browser import Browser

__all__ = ["files"]

BOX = """
import asyncio, os, time
from smanager import Progress, SService, Secret, command


class Box(SService):
    def cmd_open(self): return "opened"
    @command(role="view")
    def cmd_look(self): return "looked"
    @command(role="admin")
    def cmd_format(self): return "formatted"
    def cmd_fail(self): raise ValueError("<script>alert(1)</script>\\x1b[31m")
    def cmd_unlock(self, pin: Secret[str]): return "unlocked"
    def cmd_work(self, steps: int = 3):
        for step in range(steps):
            yield Progress(step, steps, "working")
            yield f"step {step}"
            time.sleep(0.12)
        yield Progress(steps, steps)
    async def cmd_wait(self, mark):
        try:
            open(mark, "w").close()
            await asyncio.sleep(3600)
        finally:
            os.unlink(mark)
    @command(role="view")
    def cmd_flood(self):
        while True:
            yield "x" * 50_000
"""

OPEN = """
[web]
listen = "127.0.0.1:0"
"""

CLOSED = """
[web]
listen = "127.0.0.1:0"
tls = { certificate = "server.pem", client_ca = "ca.pem" }
proxies = ["127.0.0.1"]

[roles.odd]
allow = ["box.open", "status"]
"""


@dataclass
class Page:
    """A manager with a page."""

    server: Server
    port: int
    tls: ssl.SSLContext | None = None

    def browser(self, address: str = "") -> Browser:
        return Browser(self.port, self.tls, address)

    def journal(self) -> str:
        return (self.server.directory / "state" / "audit.jsonl").read_text()

    def asked(self) -> list[str]:
        """What the page has asked the manager for that has not ended."""
        lines = [json.loads(line) for line in self.journal().splitlines()]
        begun = {line["id"]: line for line in lines if line["event"] == "command"}
        ended = {line["id"] for line in lines if line["event"] == "end"}
        open_ = [begun[number] for number in begun.keys() - ended]
        return sorted(line["name"] for line in open_ if line["from"].startswith("service webpage"))


def page_of(server: Server, files: Path) -> Page:
    found = server.wait_for_log(r"webpage: the page is at (https?)://127\.0\.0\.1:(\d+)/$")
    is_secure = found.group(1) == "https"
    context = ssl.create_default_context(cafile=str(files / "ca.pem")) if is_secure else None
    return Page(server, int(found.group(2)), context)


@pytest.fixture(scope="module")
def open_page(shared: Callable[..., Server], files: Path) -> Page:
    """A page that browsers of this machine may look at without a login."""
    return page_of(shared(OPEN, files=files, box=BOX), files)


@pytest.fixture(scope="module")
def closed_page(shared: Callable[..., Server], files: Path) -> Page:
    """A page behind a proxy, with TLS: each test's browsers have addresses of their own."""
    return page_of(shared(CLOSED, files=files, box=BOX), files)


@pytest.fixture
def own_page(directory: Path, kept: Callable[..., Server], files: Path) -> Page:
    """A page for one test."""
    shutil.copytree(files, directory, dirs_exist_ok=True)
    return page_of(kept(CLOSED, box=BOX), files)
