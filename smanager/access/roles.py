"""Who may do what: roles, and the one question that every face asks before it shows or runs a command.

A command has names: `systemstatus.uptime`, `status`, `restart web`; a toplevel command has both of its own. A role
allows and denies commands by name or pattern. Deny wins. A command that no role allows does not exist for the caller:
the same code answers for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from smanager.commands.globs import globbed
from smanager.commands.record import Command
from smanager.service import ADMIN, OPERATE, VIEW

EVERYONE = "everyone"  # the role of commands that every caller may run, such as `whoami`


@dataclass(frozen=True, slots=True)
class Role:
    """What a role allows and denies, by names and patterns (`systemstatus.*`, `restart web*`)."""

    name: str
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()  # roles that a command may ask for, and that this role satisfies besides itself


BUILT_IN = {role.name: role for role in (Role(VIEW), Role(OPERATE, includes=(VIEW,)), Role(ADMIN, includes=("*",)))}
"""The roles that exist without being configured."""


def covers(roles: Iterable[str], wanted: str) -> bool:
    """Whether a user with these roles may do all that the role `wanted` allows."""
    return any(role == wanted or (role in BUILT_IN and matches(wanted, BUILT_IN[role].includes)) for role in roles)


class Permissions:
    """What the roles of one caller allow together."""

    def __init__(self, roles: Sequence[Role], about_services: Sequence[Command] = ()) -> None:
        """`about_services` are the manager's own commands on services: a caller who may run none does not know them."""
        self._answers: dict[tuple[str, ...], bool] = {}
        self._about_services = about_services
        self.renew(roles)

    def renew(self, roles: Sequence[Role]) -> None:
        """Go by these roles from now on."""
        self.roles = tuple(role.name for role in roles if role.name)
        self._roles = roles
        self._answers.clear()

    def allow(self, command: Command) -> bool:
        """Whether the caller may run one of the manager's own commands on any service."""
        return command.role == EVERYONE or self.allow_named(command.name, command.role)

    def allow_named(self, name: str, role: str) -> bool:
        """Whether the caller may do what has this name, and asks for this role."""
        return self._ask((name,), role, takes_patterns=role in (VIEW, OPERATE))

    def allow_on(self, command: Command, service: str) -> bool:
        """Whether the caller may run one of the manager's own commands on a service."""
        names = (command.name, f"{command.name} {service}")
        return self._ask(names, command.role, takes_patterns=command.role in (VIEW, OPERATE))

    def know(self, service: str) -> bool:
        """Whether the caller may ask about a service of this name, or look after it; the service need not exist."""
        return any(self.allow_on(command, service) for command in self._about_services)

    def know_all(self, services: Iterable[str]) -> bool:
        """Whether the caller may know all of these, and so may read texts about any of them."""
        return any(map(self.allow, self._about_services)) and all(map(self.know, services))

    def show(self, command: Command) -> bool:
        """Whether the caller may run one of the manager's own commands at all, if only on one service."""
        if self.allow(command) or command.about_services is None:
            return self.allow(command)
        is_allowed = any(pattern.startswith(f"{command.name} ") for role in self._roles for pattern in role.allow)
        return is_allowed and not any(matches(command.name, role.deny) for role in self._roles)

    def allow_command(self, service: str, command: Command) -> bool:
        """Whether the caller may run a service's command."""
        names = (command.name, *command.aliases)
        dotted = tuple(f"{service}.{name}" for name in names)
        if command.toplevel:
            dotted += names
        return self._ask(dotted, command.role, takes_patterns=command.role == OPERATE)

    def _ask(self, names: tuple[str, ...], role: str, takes_patterns: bool) -> bool:
        """Whether roles grant a command of these names that asks for a role.

        Only the full name grants a command that a pattern is not meant for: one that asks for a role of its own.
        """
        key = (*names, role)
        if (answer := self._answers.get(key)) is None:
            denied = any(matches(name, given.deny) for given in self._roles for name in names)
            answer = not denied and any(
                role == given.name
                or matches(role, given.includes)
                or any(name in given.allow or (takes_patterns and matches(name, given.allow)) for name in names)
                for given in self._roles
            )
            self._answers[key] = answer
        return answer


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(globbed(name, pattern) for pattern in patterns)


EVERYTHING = Permissions([BUILT_IN[ADMIN]], [Command("status", "")])
"""For a user at the machine, and for the manager itself."""


class Roles:
    """All roles, and the permissions of each combination of them, made once."""

    def __init__(self, configured: Mapping[str, Role], about_services: Sequence[Command]) -> None:
        """`about_services` as for `Permissions`."""
        self._made: dict[tuple[frozenset[str], frozenset[str]], Permissions] = {}
        self._about_services = about_services
        self.all = {**BUILT_IN, **configured}

    def renew(self, configured: Mapping[str, Role]) -> bool:
        """Go by another configuration's roles; permissions in use change with them. Returns whether a role changed."""
        before, self.all = self.all, {**BUILT_IN, **configured}
        for key, permissions in self._made.items():
            permissions.renew(self._named(*key))
        return before != self.all

    def permissions(self, names: Iterable[str], limits: Iterable[str] = ()) -> Permissions:
        """What roles of these names allow together; an unknown role allows nothing.

        Of the roles in `limits`, only the denials count.
        """
        key = frozenset(names), frozenset(limits)
        if key not in self._made:
            self._made[key] = Permissions(self._named(*key), self._about_services)
        return self._made[key]

    def _named(self, names: Iterable[str], limits: Iterable[str]) -> list[Role]:
        granted = [self.all[name] for name in sorted(names) if name in self.all]
        return granted + [Role("", deny=self.all[name].deny) for name in sorted(limits) if name in self.all]
