"""Services that have users log in: which may, by what, and how long what the users may do lasts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from smanager.access.secrets import hash_token
from smanager.access.users import Token, User, UsersFile
from tests.conftest import Server, wait_for

DOORS = """
from smanager import ManagerError, SService

class Door(SService):
    async def start(self):
        self.visitors = {}
    async def cmd_enter(self, name, *proof):
        given = dict(one.split("=") for one in proof)
        if "certificate" in given:
            given["certificate"] = given["certificate"].split("+")
        self.visitors[name] = await self.manager.log_in_async(given.pop("host", "192.0.2.7"), **given)
        return self.visitors[name].user + " " + "+".join(self.visitors[name].roles)
    async def cmd_ask(self, name, method):
        return await self.visitors[name].call_async(method)
    async def cmd_follow(self, name, method):
        async for kind, value in self.visitors[name].follow_async(method):
            yield f"{kind} {value}"
    async def cmd_leave(self, name):
        self.visitors[name].log_out()
    async def cmd_ended(self, name):
        return self.visitors[name].ended or "still in"

class Gate(Door): pass
class Wall(Door): pass

class Box(SService):
    roles = ["view"]
    def cmd_open(self): return "opened"
    def cmd_steps(self):
        from smanager import Progress
        yield Progress(1, 2, "half")
        yield "step"
"""
CONFIGURATION = """
[services.door]
logs_in = ["token"]

[services.gate]
logs_in = ["token", "certificate"]
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    server = shared(CONFIGURATION, doors=DOORS)
    with UsersFile(server.directory / "smanager-users.json").changed() as users:
        of_anna, of_ben = (Token(hash_token(f"smt_{name}")) for name in ("anna", "ben"))
        users["anna"] = User("anna", ("operate",), token=of_anna, certificates=("CN:anna-laptop",))
        users["ben"] = User("ben", ("view",), token=of_ben)
    return server


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("wall enter x token=smt_anna", 'wall may not log users in by token; logs_in = ["token"] in [services.wall]'),
        ("door enter x user=anna password=secret", "door may not log users in by password"),
        ("door enter x certificate=anna", "door may not log users in by certificate"),
        ("door enter x token=smt_anna host=nowhere", "log in: it should have a host"),
        ("door enter x token=smt_anna user=anna", "log in: it should have a host"),
        ("door enter x", "log in: it should have a host"),
        ("gate enter x certificate=eve", "the login is not valid"),
    ],
)
def test_a_service_has_users_log_in_by_what_its_settings_name(server: Server, line: str, answer: str) -> None:
    assert answer in server.ask(line)


def test_a_service_acts_for_those_who_have_logged_in(server: Server) -> None:
    assert server.ask("door enter a token=smt_anna") == "anna operate\n"
    assert server.ask("door enter b token=smt_ben") == "ben view\n"
    assert server.ask("gate enter c certificate=DNS:x+CN:anna-laptop host=2001:db8::1") == "anna operate\n"
    assert server.ask("door ask a box.open") == "opened\n"
    assert "unknown method box.open" in server.ask("door ask b box.open")
    assert server.ask("door follow a box.steps").splitlines() == [
        "progress {'done': 1, 'total': 2, 'text': 'half'}",
        "item step",
        "result None",
    ]
    who = server.ask("who")
    assert "\tanna\tservice door for 192.0.2.7\t" in who
    assert "\tanna\tservice gate for 2001:db8::1\t" in who
    assert server.ask("door leave a") == ""
    assert "the user is not logged in any more" in server.ask("door ask a box.open")
    assert "service door for 192.0.2.7" in server.ask("who")  # ben


def test_a_login_ends_with_its_service(server: Server) -> None:
    server.ask("door enter a token=smt_anna")
    server.ask("restart door")
    wait_for(lambda: "service door" not in server.ask("who"), "nobody is there any more")


def test_a_service_learns_that_a_user_was_logged_out(server: Server) -> None:
    server.ask("gate enter d certificate=CN:anna-laptop host=192.0.2.44")
    (session,) = [line.split("\t")[0] for line in server.ask("who").splitlines() if "192.0.2.44" in line]
    assert server.ask("gate ended d") == "still in\n"
    server.ask(f"kick {session}")
    wait_for(lambda: server.ask("gate ended d").startswith("your session was ended by 127.0.0.1"), "the reason")


def test_a_user_who_is_removed_is_logged_out_without_asking_anything_more(server: Server) -> None:
    with UsersFile(server.directory / "smanager-users.json").changed() as users:
        users["dora"] = User("dora", ("view",), token=Token(hash_token("smt_dora")))
    assert server.ask("door enter f token=smt_dora") == "dora view\n"
    with UsersFile(server.directory / "smanager-users.json").changed() as users:
        del users["dora"]
    ended = "your user has changed: log in again\n"
    wait_for(lambda: server.ask("door ended f") == ended, "the end of the login")


def test_a_login_ends_with_its_token(server: Server) -> None:
    with UsersFile(server.directory / "smanager-users.json").changed() as users:
        users["cleo"] = User("cleo", ("view",), token=Token(hash_token("smt_cleo"), time.time() + 1.5))
    assert server.ask("door enter e token=smt_cleo") == "cleo view\n"
    wait_for(lambda: server.ask("door ended e") == "your token has expired\n", "the end of the token")
    assert server.ask("door enter e token=smt_cleo") == "*** door enter: ManagerError: the login is not valid\n"
