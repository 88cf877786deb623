"""Who may do what: roles, and the one question that every face asks before it shows or runs a command.

A command has names: `systemstatus.uptime`, `status`, `restart web`; a toplevel command has both of its own. A role
allows and denies commands by name or pattern. Deny wins. A command that no role allows does not exist for the caller:
the same code answers for both. In all names, also those of roles, `-` and `_` are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from smanager.commands.globs import globbed
from smanager.commands.record import Command
from smanager.service import ADMIN, OPERATE, VIEW
from smanager.terminal.text import one_spelling

EVERYTHING_AT_ONCE = "restart all"  # the name by which a role may be allowed to restart everything
EVERYONE = "everyone"  # the role of commands that every caller may run, such as `whoami`


class Role(NamedTuple):
    """What a role allows and denies, by names and patterns (`systemstatus.*`, `restart web*`)."""

    name: str
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()  # roles that a command may ask for, and that this role satisfies besides itself


BUILT_IN = {role.name: role for role in (Role(VIEW), Role(OPERATE, includes=(VIEW,)), Role(ADMIN, includes=("*",)))}
"""The roles that exist without being configured."""


_DASHES = re.compile(r"\[(!?)(?:\][^\]]*|[^\]]+)\]|-")
"""Sets of characters, where a dash may make a range, and other dashes."""


def pattern_in_one_spelling(pattern: str) -> str:
    """A pattern that matches a name with underscores if the given one matches it with dashes or underscores."""
    return _DASHES.sub(_set_in_one_spelling, pattern)


def _set_in_one_spelling(match: re.Match[str]) -> str:
    written = match[0]
    if written == "-":
        return "_"
    has_either = any(globbed(letter, written) is not bool(match[1]) for letter in "-_")
    return f"{written[:-1].rstrip('-')}_]" if has_either else written


def covers(roles: Iterable[str], wanted: str) -> bool:
    """Whether a user with these roles may do all that the role `wanted` allows."""
    return any(
        one_spelling(role) == one_spelling(wanted) or (role in BUILT_IN and matches(wanted, BUILT_IN[role].includes))
        for role in roles
    )


class Permissions:
    """What the roles of one caller allow together."""

    def __init__(self, roles: Sequence[Role], about_services: Sequence[Command] = ()) -> None:
        """`about_services` are the manager's own commands on services: a caller who may run none does not know them."""
        self._answers: dict[tuple[str, ...], bool] = {}
        self._of_services: dict[tuple[object, ...], bool] = {}  # the answers about services' commands, by what counts
        self._about_services = about_services
        self.renew(roles)

    def renew(self, roles: Sequence[Role]) -> None:
        """Go by these roles from now on."""
        self.roles = tuple(role.name for role in roles if role.name)
        self._roles = list(map(_in_one_spelling, roles))
        self._answers.clear()
        self._of_services.clear()

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
        key = (service, command.name, command.role, command.toplevel, command.aliases)
        if (answer := self._of_services.get(key)) is None:
            names = (command.name, *command.aliases)
            dotted = tuple(f"{service}.{name}" for name in names)
            if command.toplevel:
                dotted += names
            answer = self._of_services[key] = self._ask(dotted, command.role, takes_patterns=command.role == OPERATE)
        return answer

    def _ask(self, names: tuple[str, ...], role: str, takes_patterns: bool) -> bool:
        """Whether roles grant a command of these names that asks for a role.

        Only the full name grants a command that a pattern is not meant for: one that asks for a role of its own.
        """
        key = (*names, role)
        if (answer := self._answers.get(key)) is None:
            names, role = tuple(map(one_spelling, names)), one_spelling(role)
            denied = any(matches(name, given.deny) for given in self._roles for name in names)
            answer = not denied and any(
                role == given.name
                or matches(role, given.includes)
                or any(name in given.allow or (takes_patterns and matches(name, given.allow)) for name in names)
                for given in self._roles
            )
            self._answers[key] = answer
        return answer


def _in_one_spelling(role: Role) -> Role:
    allow, deny = (tuple(map(pattern_in_one_spelling, patterns)) for patterns in (role.allow, role.deny))
    return Role(one_spelling(role.name), allow, deny, role.includes)


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(globbed(name, pattern) for pattern in patterns)


EVERYTHING = Permissions([BUILT_IN[ADMIN]], [Command("status", "")])
"""For a user at the machine, and for the manager itself."""


class Roles:
    """All roles, and the permissions of each combination of them, made once."""

    def __init__(self, configured: Mapping[str, Role], own: Sequence[Command]) -> None:
        """`own` are all commands of the manager's own."""
        self._made: dict[tuple[frozenset[str], frozenset[str]], Permissions] = {}
        self._own = own
        self._about_services = [command for command in own if command.about_services]
        self.all = _by_spelling(configured)

    def renew(self, configured: Mapping[str, Role]) -> bool:
        """Go by another configuration's roles; permissions in use change with them. Returns whether a role changed."""
        before, self.all = self.all, _by_spelling(configured)
        for key, permissions in self._made.items():
            permissions.renew(self._named(*key))
        return before != self.all

    def own_names(self, services: Iterable[str]) -> Iterator[str]:
        """All names of the manager's own commands that a pattern may match, with these services."""
        yield EVERYTHING_AT_ONCE
        for command in self._own:
            yield command.name
        for service in services:
            yield from (f"{command.name} {service}" for command in self._about_services)

    def permissions(self, names: Iterable[str], limits: Iterable[str] = ()) -> Permissions:
        """What roles of these names allow together; an unknown role allows nothing.

        Of the roles in `limits`, only the denials count.
        """
        key = frozenset(map(one_spelling, names)), frozenset(map(one_spelling, limits))
        if key not in self._made:
            self._made[key] = Permissions(self._named(*key), self._about_services)
        return self._made[key]

    def _named(self, names: Iterable[str], limits: Iterable[str]) -> list[Role]:
        granted = [self.all[name] for name in sorted(names) if name in self.all]
        return granted + [Role("", deny=self.all[name].deny) for name in sorted(limits) if name in self.all]


def _by_spelling(configured: Mapping[str, Role]) -> dict[str, Role]:
    return {**BUILT_IN, **{one_spelling(name): role for name, role in configured.items()}}


def without_effect(patterns: Iterable[str], names: Iterable[str]) -> Iterator[str]:
    """The patterns that match none of the names of commands."""
    spelled = set(map(one_spelling, names))
    for pattern in dict.fromkeys(patterns):
        wanted = pattern_in_one_spelling(pattern)
        if not any(globbed(name, wanted) for name in spelled):
            yield pattern
