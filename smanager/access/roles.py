"""Who may do what: roles, and the one question that every face asks before it shows or runs a command.

A command is known by its names: `systemstatus.uptime`, `status`, `restart web`; a toplevel command by both of its own.
A role allows and denies them by name or pattern. Deny wins, and what no role allows is not there: the same code
answers for it as for what does not exist.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from smanager.commands.record import Command

VIEW, OPERATE, ADMIN = "view", "operate", "admin"

ALWAYS = frozenset({"help", "exit", "quit", "whoami"})
"""What everybody may do who may connect: find the way, and out again."""

ASKING = {"kill": ADMIN, "reload": ADMIN, "restart all": ADMIN, "kick": ADMIN}
"""The manager's own commands that ask for a role, as a service's command may with `@command(role=...)`."""

ON_SERVICES = ("services", "status", "why", "logs", "events", "start", "stop", "restart", "signal", "wait", "plan")
"""The manager's own commands that are about services."""

_LOOKING = ("services", "status", "why", "logs", "events", "jobs", "plan", "wait", "watch")
_OPERATING = ("start", "stop", "restart", "signal", "cancel", "who", "broadcast", "*.*")


@dataclass(frozen=True, slots=True)
class Role:
    """What it allows and denies, by names and patterns (`systemstatus.*`, `restart web*`)."""

    name: str
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    """Roles that a command may ask for, and that this one satisfies besides itself."""


BUILT_IN = {
    role.name: role
    for role in (
        Role(VIEW, _LOOKING),
        Role(OPERATE, (*_LOOKING, *_OPERATING), includes=(VIEW,)),
        Role(ADMIN, ("*",), includes=("*",)),
    )
}
"""The roles that exist without being configured."""


def covers(roles: Iterable[str], wanted: str) -> bool:
    """Whether who has these roles may do all that another one allows."""
    return any(role == wanted or (role in BUILT_IN and matches(wanted, BUILT_IN[role].includes)) for role in roles)


class Permissions:
    """What the roles of one caller allow together."""

    def __init__(self, roles: Sequence[Role]) -> None:
        self._known: dict[tuple[str, ...], bool] = {}
        self.renew(roles)

    def renew(self, roles: Sequence[Role]) -> None:
        """Go by these roles from here on."""
        self.roles = tuple(role.name for role in roles if role.name)
        self._roles = roles
        self._known.clear()

    def allow(self, name: str) -> bool:
        """Whether one of the manager's own commands may be run, on whatever it may be about."""
        return name in ALWAYS or self._ask((name,), ASKING.get(name, ""))

    def allow_on(self, name: str, service: str) -> bool:
        """Whether one of the manager's own commands may be run on a service."""
        return self._ask((name, f"{name} {service}"), "")

    def know(self, service: str) -> bool:
        """Whether a service of this name, be there one or not, may be asked about or looked after."""
        return any(self.allow_on(name, service) for name in ON_SERVICES)

    def know_all(self, services: Iterable[str]) -> bool:
        """Whether all of these may be known, and so texts that may be about any of them."""
        return self.allow("services") and all(map(self.know, services))

    def show(self, name: str) -> bool:
        """Whether one of the manager's own commands may be run at all, be it on one service only."""
        return self.allow(name) or self._show_on_some(name)

    def _show_on_some(self, name: str) -> bool:
        begun = name in ON_SERVICES and any(
            pattern.startswith(f"{name} ") for role in self._roles for pattern in role.allow
        )
        return begun and not any(matches(name, role.deny) for role in self._roles)

    def allow_command(self, service: str, command: Command) -> bool:
        """Whether a service's command may be run."""
        names = (command.name, *command.aliases)
        dotted = tuple(f"{service}.{name}" for name in names)
        return self._ask((*dotted, *names) if command.toplevel else dotted, command.role)

    def _ask(self, names: tuple[str, ...], role: str) -> bool:
        key = (*names, role)
        if (known := self._known.get(key)) is None:
            denied = any(matches(name, given.deny) for given in self._roles for name in names)
            known = not denied and any(self._grants(given, name, role) for given in self._roles for name in names)
            self._known[key] = known
        return known

    @staticmethod
    def _grants(given: Role, name: str, asked: str) -> bool:
        """A command that asks for a role is given to that one, or by its full name; no pattern is meant for it."""
        if not asked:
            return matches(name, given.allow)
        return name in given.allow or asked == given.name or matches(asked, given.includes)


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


EVERYTHING = Permissions([BUILT_IN[ADMIN]])
"""For somebody at the machine, and for the manager itself."""


class Roles:
    """All roles, and the permissions of each set of them, made once."""

    def __init__(self, configured: Mapping[str, Role]) -> None:
        self._made: dict[tuple[frozenset[str], frozenset[str]], Permissions] = {}
        self.all = {**BUILT_IN, **configured}

    def renew(self, configured: Mapping[str, Role]) -> bool:
        """Take another configuration's roles; permissions that somebody holds change with them. Whether any has."""
        before, self.all = self.all, {**BUILT_IN, **configured}
        for key, permissions in self._made.items():
            permissions.renew(self._named(*key))
        return before != self.all

    def permissions(self, names: Iterable[str], limits: Iterable[str] = ()) -> Permissions:
        """What roles of these names allow together; one that does not exist allows nothing.

        Of those in `limits` only that counts which they deny.
        """
        key = frozenset(names), frozenset(limits)
        if key not in self._made:
            self._made[key] = Permissions(self._named(*key))
        return self._made[key]

    def _named(self, names: Iterable[str], limits: Iterable[str]) -> list[Role]:
        found = [self.all[name] for name in sorted(names) if name in self.all]
        return found + [Role("", deny=self.all[name].deny) for name in sorted(limits) if name in self.all]
