"""Who is logged in to the page: each browser's cookie, and the manager as its user may use it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from smanager.service import ManagerClient, Visitor
from smanager.web.door import RefusedError

TOKEN_BYTES = 32  # of a cookie and of a CSRF token: too many to guess
IDLE_SECONDS = 1800.0  # after which a login without a request and without an open window ends
LONGEST_SECONDS = 12 * 3600.0  # after which each login ends: a working day
MOST_LOGINS = 200  # at a time; one more ends one of the user who has the most, so that nobody takes all


Rights = tuple[str, tuple[str, ...]]
"""A user's name and roles: who has the same sees the same."""


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(eq=False)
class PageLogin:
    """One browser's login, or what all those share who have not logged in."""

    manager: ManagerClient
    visitor: Visitor | None = None  # the same, of a user who has logged in
    user: str = ""
    roles: list[str] = field(default_factory=list)
    token: str = ""  # the cookie; empty for those who have not logged in
    csrf: str = field(default_factory=new_token)
    began: float = 0.0
    used: float = 0.0
    uses: int = 0  # answers under way

    @property
    def rights(self) -> Rights:
        return self.user, tuple(self.roles)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the login from ending because it is idle, during the `with` block."""
        self.uses += 1
        try:
            yield
        finally:
            self.uses -= 1


class Logins:
    """The logins by their cookies."""

    def __init__(self, end: Callable[[PageLogin], object], clock: Callable[[], float] = monotonic) -> None:
        """`end` is given each login that is over."""
        self._end = end
        self._clock = clock
        self._logins: dict[str, PageLogin] = {}

    def begin(self, login: PageLogin) -> None:
        """Remember a login under a token of its own."""
        self.sweep()
        if len(self._logins) >= MOST_LOGINS:
            self.end(self._dispensable())
        login.token = new_token()
        login.began = login.used = self._clock()
        self._logins[login.token] = login

    def find(self, token: str) -> PageLogin | None:
        """The login with this cookie, if it is not over."""
        login = self._logins.get(token)
        if login and self._is_over(login):
            self.end(login)
            return None
        if login:
            login.used = self._clock()
        return login

    def end(self, login: PageLogin) -> None:
        if self._logins.pop(login.token, None):
            self._end(login)

    def sweep(self) -> None:
        """End the logins that are over."""
        for login in [one for one in self._logins.values() if self._is_over(one)]:
            self.end(login)

    def _dispensable(self) -> PageLogin:
        """The login that has been idle the longest, of those of the user who has the most."""
        counts = Counter(one.user for one in self._logins.values())
        return min(self._logins.values(), key=lambda one: (-counts[one.user], one.used))

    def _is_over(self, login: PageLogin) -> bool:
        now = self._clock()
        if login.uses:
            login.used = now
        is_ended = bool(login.visitor and login.visitor.ended)
        return is_ended or now - login.used > IDLE_SECONDS or now - login.began > LONGEST_SECONDS


def cookie_name(origin: str) -> str:
    """The cookie's name, with the port: a browser sends a cookie to all ports of a host (RFC 6265, 8.5)."""
    url = urlsplit(origin)
    return f"{'__Host-' if url.scheme == 'https' else ''}smanager-{url.port or url.scheme}"


def cookie_header(origin: str, token: str) -> Mapping[str, str]:
    """The header that gives a browser its cookie, or, with an empty token, takes it away."""
    value = f"{cookie_name(origin)}={token}; Path=/; HttpOnly; SameSite=Strict"
    if origin.startswith("https:"):
        value += "; Secure"
    return {"Set-Cookie": value if token else f"{value}; Max-Age=0"}


def proof_of(given: object) -> dict[str, str]:
    """By what a browser wants to log in. Raises RefusedError."""
    match given:
        case {"user": str(user), "password": str(password)}:
            return {"user": user, "password": password}
        case {"token": str(token)}:
            return {"token": token}
    raise RefusedError(400, 'a login should be {"user": "NAME", "password": "…"} or {"token": "…"}')


def shown(login: PageLogin | None, needs_login: bool) -> dict[str, Any]:
    """What the page is told of its login."""
    return {
        "user": (login.user or None) if login else None,
        "roles": login.roles if login else [],
        "csrf": login.csrf if login else "",
        "login_needed": needs_login and login is None,
        "read_only": login is not None and not login.user,
    }
