"""Who somebody is: found by a password, a token, a certificate or a unix socket's peer."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from smanager.access.audit import Audit
from smanager.access.callers import Caller
from smanager.access.roles import Roles, covers
from smanager.access.secrets import is_password, is_token
from smanager.access.throttle import BLOCK_SECONDS, FIRST_DELAY, Throttle
from smanager.access.users import NAME_LIMIT, User, Users, UsersError, UsersFile

PASSWORDS_AT_A_TIME = 2
"""Passwords that are looked at side by side: each takes 32 MiB and a core for some 60 ms."""

MOST_WAITING, WAITING_FROM_ONE = 32, 4
"""Passwords that wait to be looked at, those of one listener and those from one address; further ones are refused
unlooked at."""

MOST_TRUSTED = 10_000

log = logging.getLogger("smanager")


class Identities:
    """The users, and the way from a proof to a caller."""

    def __init__(self, roles: Roles, file: UsersFile, audit: Audit) -> None:
        self.roles = roles
        self.file = file
        self._audit = audit
        self._throttle = Throttle()
        self._looking = asyncio.Semaphore(PASSWORDS_AT_A_TIME)
        self._waiting: Counter[str] = Counter()
        self._trusted: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Addresses and users that have logged in with a password, the latest ones."""

    def anybody(self, origin: str, roles: Iterable[str]) -> Caller:
        """Somebody who has not said who it is, where that is enough."""
        return Caller(origin, permissions=self.roles.permissions(roles))

    def named(self, names: Sequence[str], origin: str, roles: Sequence[str], proof: str) -> Caller | None:
        """The user whom the system or a certificate calls by one of these names: by its own, or by one that it has."""
        users = self._users()
        for name in names:
            for user in users.values():
                if name == user.name or (proof == "certificate" and name in user.certificates):
                    return self._admit(user, origin, roles, proof)
        return None

    async def by_password(
        self, name: str, password: str, origin: str, listener: str, roles: Sequence[str], is_wanted: Callable[[], bool]
    ) -> Caller | None:
        """The user of that name, if this is its password. A failure takes its time, whatever was wrong.

        `is_wanted` says, when its turn has come, whether somebody still waits for it.
        """
        place = network_of(origin)
        keys = [f"address {place}", f"user {name[:NAME_LIMIT]!r}"]
        is_trusted = (place, name) in self._trusted
        counted = keys
        if is_trusted and self._throttle.blocked(keys[1:]):
            counted = keys[:1]  # others' failures do not lock out who has been here before
        user, is_right = None, False
        if not self._throttle.blocked(counted):
            places = (f"address {place}", f"listener {listener}")
            if self._is_full(*places, is_trusted):
                await asyncio.sleep(FIRST_DELAY)
                return None
            with self._queued(places):
                async with self._looking:
                    if not is_wanted():
                        return None
                    user = None if self._throttle.blocked(counted) else self._users().get(name)
                    is_right = await asyncio.to_thread(is_password, password, user.password if user else "")
        if user is None or not is_right:
            self._count(counted, name, origin, "password")
            await asyncio.sleep(self._throttle.delay(keys))
            return None
        # Not the address, for it may try another user's next; nor is a block over for others.
        self._throttle.succeeded(counted[1:])
        self._trusted[(place, name)] = None
        if len(self._trusted) > MOST_TRUSTED:
            self._trusted.popitem(last=False)
        return self._admit(user, origin, roles, "password")

    def _is_full(self, address: str, listener: str, is_trusted: bool) -> bool:
        """Whether too many passwords wait; those of who has logged in from there before have places of their own."""
        if self._waiting[address] >= WAITING_FROM_ONE:
            return True
        return self._waiting[listener] >= MOST_WAITING and not is_trusted

    @contextmanager
    def _queued(self, places: Sequence[str]) -> Iterator[None]:
        self._waiting.update(places)
        try:
            yield
        finally:
            self._waiting.subtract(places)
            self._waiting += Counter()  # forgets those with none

    async def by_token(self, token: str, origin: str, roles: Sequence[str]) -> Caller | None:
        """The user whose token this is. A right one counts whatever others have tried from there: nobody guesses it."""
        holders = [user for user in self._users().values() if user.token and is_token(token, user.token.hash)]
        for user in holders:
            if user.token and not user.token.has_expired():
                return self._admit(user, origin, roles, "token")
        name = holders[0].name if holders else ""
        keys = [f"address {network_of(origin)}"]
        self._count(keys, name, origin, "expired token" if holders else "token")
        await asyncio.sleep(self._throttle.delay(keys))
        return None

    def mistrusted(self, origin: str, reason: str) -> None:
        """A client's certificate is not valid."""
        self._count([f"address {network_of(origin)}"], "", origin, f"certificate: {reason}")

    def unknown(self, origin: str, name: str) -> None:
        """A client's certificate is valid, and no user's: that is no guess."""
        self._audit.failure(origin, name[:NAME_LIMIT], "certificate: of no user")

    def still_holds(self, caller: Caller) -> bool:
        """Whether a caller who has logged in would be let in again, with the same roles."""
        if caller.known_as is None:
            return True
        if caller.expires_in() == 0:
            return False
        try:
            return self.file.users().get(caller.user) == caller.known_as
        except UsersError as error:
            log.error("who is logged in stays so, for it cannot be looked up: %s", error)
            return True

    def _admit(self, user: User, origin: str, roles: Sequence[str], proof: str) -> Caller:
        own = user.roles
        if proof == "token" and user.token and user.token.roles is not None:
            own = tuple(role for role in user.token.roles if covers(user.roles, role))
        permissions = self.roles.permissions([*own, *roles], limits=set(user.roles) - set(own))
        caller = Caller(origin, user.name, permissions, proof, known_as=user)
        self._audit.login(caller)
        return caller

    def _count(self, keys: Sequence[str], name: str, origin: str, proof: str) -> None:
        """Count a failure, and write it down unless it is one of those that a block is for."""
        if not self._throttle.blocked(keys):
            self._audit.failure(origin, name[:NAME_LIMIT], proof)
            for key in self._throttle.failed(keys):
                log.warning("no logins for %s in the next %g s: too many have failed", key, BLOCK_SECONDS)
                self._audit.failure(origin, name[:NAME_LIMIT], f"{proof}; {key} is blocked for {BLOCK_SECONDS:g} s")

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
    if ":" not in host:
        return host or origin.partition(", process")[0]  # of a unix socket: its user
    address = ipaddress.IPv6Address(host)
    if address.ipv4_mapped:  # an IPv4 client on a socket for both
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
