"""Who somebody is: found by a password, a token, a certificate or a unix socket's peer."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Iterable, Sequence

from smanager.access.callers import Caller
from smanager.access.roles import Roles
from smanager.access.secrets import is_password, is_token
from smanager.access.throttle import BLOCK_SECONDS, Throttle
from smanager.access.users import User, Users, UsersError, UsersFile
from smanager.audit import Audit

PASSWORDS_AT_A_TIME = 2
"""Passwords that are looked at side by side: each takes 32 MiB and a core for some 60 ms."""

log = logging.getLogger("smanager")


class Identities:
    """The users, and the way from a proof to a caller."""

    def __init__(self, roles: Roles, file: UsersFile, audit: Audit) -> None:
        self.roles = roles
        self.file = file
        self._audit = audit
        self._throttle = Throttle()
        self._looking = asyncio.Semaphore(PASSWORDS_AT_A_TIME)

    def anybody(self, origin: str, roles: Iterable[str]) -> Caller:
        """Somebody who has not said who it is, where that is enough."""
        return Caller(origin, permissions=self.roles.permissions(roles))

    def named(self, names: Sequence[str], origin: str, roles: Sequence[str], proof: str) -> Caller | None:
        """The user whom the system or a certificate calls by one of these names."""
        users = self._users()
        for name in names:
            for user in users.values():
                if name == user.name or (proof == "certificate" and name in user.certificates):
                    return self._admit(user, origin, roles, proof)
        return None

    async def by_password(self, name: str, password: str, origin: str, roles: Sequence[str]) -> Caller | None:
        """The user of that name, if this is its password. A failure takes its time, whatever was wrong."""
        keys = [f"address {network_of(origin)}", f"user {name}"]
        if self._throttle.blocked(keys):
            await self._fail(keys, name, origin, "password", is_counted=False)
            return None
        user = self._users().get(name)
        kept = user.password if user else ""
        async with self._looking:
            is_right = await asyncio.to_thread(is_password, password, kept)
        if user is None or not is_right:
            await self._fail(keys, name, origin, "password")
            return None
        self._throttle.succeeded(keys[1:])  # not the address, for it may try another user's next
        return self._admit(user, origin, roles, "password")

    async def by_token(self, token: str, origin: str, roles: Sequence[str]) -> Caller | None:
        """The user whose token this is."""
        keys = [f"address {network_of(origin)}"]
        holders = [user for user in self._users().values() if user.token and is_token(token, user.token.hash)]
        for user in holders:  # a right one counts also where others from there have failed: nobody guesses it
            if user.token and (user.token.expires is None or user.token.expires > time.time()):
                return self._admit(user, origin, roles, "token")
            await self._fail(keys, user.name, origin, "token, which has expired")
            return None
        is_blocked = bool(self._throttle.blocked(keys))
        await self._fail(keys, "", origin, "token", is_counted=not is_blocked)
        return None

    def still_holds(self, caller: Caller) -> bool:
        """Whether a caller who has logged in would be let in again, with the same roles."""
        return caller.known_as is None or self._users().get(caller.user) == caller.known_as

    def _admit(self, user: User, origin: str, roles: Sequence[str], proof: str) -> Caller:
        own = user.roles
        if proof == "token" and user.token and user.token.roles is not None:
            own = user.token.roles
        permissions = self.roles.permissions([*own, *roles])
        caller = Caller(origin, user.name, permissions, proof, known_as=user)
        self._audit.login(caller)
        return caller

    async def _fail(self, keys: Sequence[str], name: str, origin: str, proof: str, is_counted: bool = True) -> None:
        if is_counted:
            for key in self._throttle.failed(keys):
                log.warning("no logins for %s in the next %g s: too many have failed", key, BLOCK_SECONDS)
        self._audit.failure(origin, name, proof if is_counted else f"{proof}, while blocked")
        await asyncio.sleep(self._throttle.delay(keys))

    def _users(self) -> Users:
        """None where the file cannot be used; the log says why."""
        try:
            return self.file.users()
        except UsersError as error:
            log.error("nobody can log in: %s", error)
            return {}


def network_of(origin: str) -> str:
    """What failures are counted for: an address without its port, or an IPv6 network, which one client has whole."""
    host = origin.rpartition(":")[0].strip("[]")
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return origin.partition(", process")[0]  # of a unix socket: its user
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if address.version == 6 else str(address)
