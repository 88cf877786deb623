"""From a proof to a caller: by password, token, client certificate, or the peer of a unix socket."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from smanager.access.audit import NOT_ALLOWED, Audit
from smanager.access.callers import Caller
from smanager.access.origin import Origin
from smanager.access.roles import Roles, covers
from smanager.access.secrets import is_password, is_token
from smanager.access.throttle import BLOCK_SECONDS, FIRST_DELAY, Throttle
from smanager.access.users import NAME_LIMIT, User, Users, UsersError, UsersFile

PASSWORDS_AT_A_TIME = 2  # passwords checked at a time: each takes 32 MiB, and one core for some 60 ms
MOST_WAITING, WAITING_FROM_ONE = 32, 4
"""Passwords that wait to be checked, per listener and per address; any more are refused unchecked."""

MOST_TRUSTED = 10_000  # pairs of address and user that have logged in by password and are remembered, the latest ones

log = logging.getLogger("smanager")


class Identities:
    """Identifies callers by the users' file, and slows down guesses."""

    def __init__(
        self,
        roles: Roles,
        file: UsersFile,
        audit: Audit,
        blocked: Callable[[str, str], object] = lambda key, text: None,
    ) -> None:
        """`blocked` is told which address or user is blocked, and the same in a sentence."""
        self.roles = roles
        self.file = file
        self._audit = audit
        self._throttle = Throttle()
        self._blocked = blocked
        self._checking = asyncio.Semaphore(PASSWORDS_AT_A_TIME)
        self._waiting: Counter[str] = Counter()
        self._trusted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def anonymous(self, origin: Origin, roles: Iterable[str]) -> Caller:
        """The caller of a listener that requires no login."""
        return Caller(origin, permissions=self.roles.permissions(roles))

    def named(self, names: Sequence[str], origin: Origin, roles: Sequence[str], proof: str) -> Caller | None:
        """The first user with one of these names, which the system or a certificate has given."""
        users = self._users()
        for name in names:
            for user in users.values():
                if name == user.name or (proof == "certificate" and name in user.certificates):
                    return self._admit(user, origin, roles, proof)
        return None

    async def by_password(
        self,
        name: str,
        password: str,
        origin: Origin,
        listener: str,
        roles: Sequence[str],
        is_wanted: Callable[[], bool],
    ) -> Caller | None:
        """The user of this name, if the password is right. A failure takes the same time, whatever was wrong.

        `is_wanted` tells, when the password's turn comes, whether the client still waits for the answer.
        """
        network = origin.network
        keys = [f"address {network}", f"user {name[:NAME_LIMIT]!r}"]
        is_trusted = (network, name) in self._trusted
        counted = keys
        if is_trusted and self._throttle.blocked(keys[1:]):
            counted = keys[:1]  # failures elsewhere do not lock out a user who has logged in from here before
        user, is_right = None, False
        if not self._throttle.blocked(counted):
            queues = (f"address {network}", f"listener {listener}")
            ahead, ahead_here = (self._waiting[queue] for queue in queues)
            # Trusted users do not wait behind a flood at their listener.
            if ahead >= WAITING_FROM_ONE or (ahead_here >= MOST_WAITING and not is_trusted):
                await asyncio.sleep(FIRST_DELAY)
                return None
            with self._queued(queues):
                async with self._checking:
                    if not is_wanted():
                        return None
                    user = None if self._throttle.blocked(counted) else self._users().get(name)
                    is_right = await asyncio.to_thread(is_password, password, user.password if user else "")
        if user is None or not is_right:
            self._count(counted, name, origin, "password")
            await asyncio.sleep(self._throttle.delay(keys))
            return None
        # The address keeps its failures: it may guess at another user next. A block stays for everyone else, too.
        self._throttle.succeeded(counted[1:])
        self._trusted[(network, name)] = None
        if len(self._trusted) > MOST_TRUSTED:
            self._trusted.popitem(last=False)
        return self._admit(user, origin, roles, "password")

    @contextmanager
    def _queued(self, queues: Sequence[str]) -> Iterator[None]:
        self._waiting.update(queues)
        try:
            yield
        finally:
            self._waiting.subtract(queues)
            self._waiting += Counter()  # forgets empty queues

    async def by_token(self, token: str, origin: Origin, roles: Sequence[str]) -> Caller | None:
        """The user whose token this is. No block applies to a valid token, for tokens cannot be guessed."""
        users = self._users().values()
        holder = next((user for user in users if user.token and is_token(token, user.token.hash)), None)
        if holder and holder.token and not holder.token.has_expired():
            return self._admit(holder, origin, roles, "token")
        keys = [f"address {origin.network}"]
        self._count(keys, holder.name if holder else "", origin, "expired token" if holder else "token")
        await asyncio.sleep(self._throttle.delay(keys))
        return None

    def mistrusted(self, origin: Origin, reason: str) -> None:
        """Count an invalid client certificate as a failure."""
        self._count([f"address {origin.network}"], "", origin, f"certificate: {reason}")

    def unknown(self, origin: Origin, name: str) -> None:
        """Record a valid client certificate without a user; it is not a guess, so it does not count."""
        self._audit.failure(origin, name[:NAME_LIMIT], "certificate: of no user")

    def disbelieved(self, caller: Caller, behalf: str, listener: str) -> None:
        """Record that an account that is not among a listener's relays claims to act for a person."""
        where = f"relays of [listeners.{listener}]"
        log.warning("%s claims to act for %s, and is not among the %s: ignored", caller, behalf, where)
        self._audit.refused(caller, f"as {behalf}", NOT_ALLOWED)

    def still_holds(self, caller: Caller) -> bool:
        """Whether a caller who has logged in could still log in, with the same roles."""
        if caller.known_as is None:
            return True
        if caller.expires_in() == 0:
            return False
        try:
            return self.file.users().get(caller.user) == caller.known_as
        except UsersError as error:
            log.error("sessions stay logged in, since the users cannot be read: %s", error)
            return True

    def _admit(self, user: User, origin: Origin, roles: Sequence[str], proof: str) -> Caller:
        own = user.roles
        if proof == "token" and user.token and user.token.roles is not None:
            own = tuple(role for role in user.token.roles if covers(user.roles, role))
        permissions = self.roles.permissions([*own, *roles], limits=set(user.roles) - set(own))
        caller = Caller(origin, user.name, permissions, proof, known_as=user)
        self._audit.login(caller)
        return caller

    def _count(self, keys: Sequence[str], name: str, origin: Origin, proof: str) -> None:
        """Count and record a failure, unless its address or user is blocked already."""
        if not self._throttle.blocked(keys):
            self._audit.failure(origin, name[:NAME_LIMIT], proof)
            for key in self._throttle.failed(keys):
                text = f"no logins for {key} in the next {BLOCK_SECONDS:g} s: too many have failed"
                log.warning("%s", text)
                self._blocked(key, text)
                self._audit.failure(origin, name[:NAME_LIMIT], f"{proof}; {key} is blocked for {BLOCK_SECONDS:g} s")

    def _users(self) -> Users:
        """All users; none if the file cannot be used, which is logged."""
        try:
            return self.file.users()
        except UsersError as error:
            log.error("no user can log in: %s", error)
            return {}
