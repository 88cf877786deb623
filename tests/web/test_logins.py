"""Logins to the page: how long they last, how many there are, and what browsers get of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smanager.service import ManagerClient, Visitor
from smanager.web.door import RefusedError
from smanager.web.logins import (
    IDLE_SECONDS,
    LONGEST_SECONDS,
    MOST_LOGINS,
    Logins,
    PageLogin,
    cookie_header,
    cookie_name,
    proof_of,
    shown,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.ended: list[str] = []
        self.logins = Logins(lambda login: self.ended.append(login.user), lambda: self.now)

    def log_in(self, user: str) -> PageLogin:
        visitor = Visitor()
        login = PageLogin(visitor, visitor, user, ["view"])
        self.logins.begin(login)
        return login


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_login_is_found_by_its_cookie_alone(clock: Clock) -> None:
    anna, ben = clock.log_in("anna"), clock.log_in("ben")
    assert clock.logins.find(anna.token) is anna
    assert clock.logins.find("") is None
    assert clock.logins.find(anna.token + "x") is None
    assert len({anna.token, ben.token, anna.csrf, ben.csrf}) == 4
    clock.logins.end(anna)
    clock.logins.end(anna)
    assert clock.logins.find(anna.token) is None
    assert clock.ended == ["anna"]


def test_a_login_that_nobody_uses_ends(clock: Clock) -> None:
    anna, ben = clock.log_in("anna"), clock.log_in("ben")
    with anna.in_use():
        clock.now += IDLE_SECONDS + 1
        clock.logins.sweep()
    assert clock.ended == ["ben"]
    assert clock.logins.find(anna.token) is anna
    clock.now += IDLE_SECONDS + 1
    assert clock.logins.find(anna.token) is None
    assert clock.logins.find(ben.token) is None
    assert clock.ended == ["ben", "anna"]


def test_no_login_lasts_for_ever(clock: Clock) -> None:
    anna = clock.log_in("anna")
    with anna.in_use():
        clock.now += LONGEST_SECONDS + 1
        assert clock.logins.find(anna.token) is None


def test_a_login_that_the_manager_ends_is_over(clock: Clock) -> None:
    anna = clock.log_in("anna")
    assert anna.visitor
    anna.visitor.ended = "your session was ended by root"
    assert clock.logins.find(anna.token) is None
    assert clock.ended == ["anna"]


def test_the_idlest_login_makes_room(clock: Clock) -> None:
    logins = []
    for number in range(MOST_LOGINS):
        clock.now += 1
        logins.append(clock.log_in(f"user{number}"))
    clock.now += 1
    assert clock.logins.find(logins[0].token)
    clock.log_in("another")
    assert clock.ended == ["user1"]


def test_a_user_who_logs_in_again_and_again_ends_only_logins_of_their_own(clock: Clock) -> None:
    ben = clock.log_in("ben")
    annas = []
    for _ in range(MOST_LOGINS + 5):
        clock.now += 1
        annas.append(clock.log_in("anna"))
    assert clock.ended == ["anna"] * 6
    assert clock.logins.find(ben.token) is ben
    assert clock.logins.find(annas[5].token) is None
    assert clock.logins.find(annas[6].token) is annas[6]


@pytest.mark.parametrize(
    ("origin", "name", "is_secure"),
    [
        ("http://127.0.0.1:10001", "smanager-10001", False),
        ("http://localhost", "smanager-http", False),
        ("https://box.example", "__Host-smanager-https", True),
        ("https://[::1]:10001", "__Host-smanager-10001", True),
    ],
)
def test_a_cookie_is_for_this_page_alone(origin: str, name: str, is_secure: bool) -> None:
    assert cookie_name(origin) == name
    given = cookie_header(origin, "abc")["Set-Cookie"].split("; ")
    assert given == [f"{name}=abc", "Path=/", "HttpOnly", "SameSite=Strict", *(["Secure"] if is_secure else [])]
    assert cookie_header(origin, "")["Set-Cookie"].split("; ") == [f"{name}=", *given[1:], "Max-Age=0"]


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {},
        {"user": "anna"},
        {"user": "anna", "password": 5},
        {"token": None},
        {"certificate": ["anna"]},
    ],
)
def test_a_browser_logs_in_by_a_password_or_a_token(given: object) -> None:
    assert proof_of({"user": "a", "password": "b", "host": "192.0.2.1"}) == {"user": "a", "password": "b"}
    assert proof_of({"token": "t"}) == {"token": "t"}
    with pytest.raises(RefusedError, match="a login should be"):
        proof_of(given)


@pytest.mark.parametrize(
    ("make", "needs_login", "expected"),
    [
        (lambda: None, True, (None, True, False)),
        (lambda: PageLogin(ManagerClient(), roles=["view"]), False, (None, False, True)),
        (lambda: PageLogin(Visitor(), Visitor(), "anna"), True, ("anna", False, False)),
    ],
)
def test_the_page_is_told_what_it_may_do(
    make: Callable[[], PageLogin | None], needs_login: bool, expected: tuple[str | None, bool, bool]
) -> None:
    told = shown(login := make(), needs_login)
    assert (told["user"], told["login_needed"], told["read_only"]) == expected
    assert told["csrf"] == (login.csrf if login else "")
