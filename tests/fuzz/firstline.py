"""Logging in by the first line: whatever it is, it gets its answer, and nothing goes on before there is a caller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import cast

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE, Origin, OriginKind
from smanager.access.secrets import hash_token, is_password, is_token
from smanager.config.listener import ListenerSettings
from smanager.server.modes.script_login import ScriptLogin, is_login
from smanager.server.newlines import Newlines
from smanager.server.session import Session
from tests.fuzz import cuts

TOKEN = hash_token("smt_x")
PASSWORD = "scrypt$2$1$1$c2FsdA==$oi7wVndxhKj0C+J1sHSSmUGONEY+Cc+hVT3CAMF8Bt8="
"""`pw`, hashed in no time."""

LOCAL = Origin(OriginKind.UNIX, user="root", process=1)

PEER = Caller(LOCAL, "root", proof="peer")


class Client:
    """A session and its connection, as far as a login by the first line uses them."""

    settings = ListenerSettings("local", relays=("root",))

    def __init__(self, caller: Caller | None) -> None:
        self.caller = caller
        self.connection = self
        self.peer = caller.origin if caller else CONSOLE
        self.finishing = False
        self.held = False
        self.sent = b""

    async def by_token(self, token: str) -> Caller | None:
        return Caller(CONSOLE, "by token", proof="token") if is_token(token, TOKEN) else None

    async def by_password(self, name: str, password: str) -> Caller | None:
        return Caller(CONSOLE, "by password", proof="password") if is_password(password, PASSWORD) else None

    def admit(self, caller: Caller) -> None:
        self.caller = caller

    def send(self, data: bytes) -> None:
        assert not self.finishing
        self.sent += data

    def hold(self, hold: bool) -> None:
        self.held = hold

    def finish(self) -> None:
        self.finishing = True

    def set_timer(self, seconds: float, action: Callable[[], None]) -> None:
        """No client is slow here."""

    def clear_timer(self) -> None:
        """No timer runs here."""


def target(data: bytes) -> None:
    asyncio.run(log_in(data))


async def log_in(data: bytes) -> None:
    for caller in (None, PEER):
        for pieces in cuts(data):
            await log_in_by(pieces, Client(caller), data)


async def log_in_by(pieces: list[bytes], client: Client, data: bytes) -> None:
    passed_on: list[bytes] = []
    first = ScriptLogin(cast("Session", client), passed_on.append)
    for piece in [*pieces, b""]:
        if client.finishing or passed_on:
            break
        if piece:
            first.receive(piece)
        else:
            first.end_of_input()
        if b"\n" in piece or not piece:  # nothing is looked at before its line has ended
            await checked()
    assert client.finishing or passed_on
    for line in client.sent.decode("ascii").splitlines():
        assert line.startswith("*** ") or json.loads(line)["jsonrpc"] == "2.0"
    assert not client.held
    if passed_on:
        (rest,) = passed_on
        assert client.caller
        assert rest in Newlines().unified(data)
        assert not is_login(rest, is_all=True)  # while more may come, it may still become one


async def checked() -> None:
    """Wait for what is being looked at; what it raises is raised here."""
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*tasks)
