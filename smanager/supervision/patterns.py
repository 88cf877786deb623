"""Tells of patterns in roles that match no command: misspelled, they allow or deny nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from smanager.access.roles import Roles, without_effect
from smanager.supervision.catalogue import Catalogue
from smanager.supervision.reports import Notice, Tell
from smanager.terminal.text import one_spelling, resembling

log = logging.getLogger("smanager")


def warn_of_patterns(catalogue: Catalogue, roles: Roles, tell: Tell) -> None:
    """Log each pattern without effect, and tell the requester."""
    for text in patterns_without_effect(catalogue, roles):
        log.warning("%s", text)
        tell(Notice(text))


def patterns_without_effect(catalogue: Catalogue, roles: Roles) -> Iterator[str]:
    """What to say of each such pattern in the configured roles. The services that are not enabled count as others do.

    While a services file has problems, a pattern may be for what the file would define; then only those are told that
    name a service of a file without problems.
    """
    names = [*roles.own_names(catalogue.services), *service_names(catalogue)]
    is_whole = not any(file.is_code for file, _ in catalogue.problems())
    sound = {one_spelling(name) for name, service in catalogue.services.items() if not service.file.problems}
    for role, key, pattern in without_effect(catalogue.configuration.roles, names):
        if is_whole or one_spelling(pattern.rpartition(".")[0]) in sound:
            near = resembling(one_spelling(pattern), names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"[roles.{role}] {key}: {pattern!r} matches no command{hint}"


def service_names(catalogue: Catalogue) -> Iterator[str]:
    """All names of services' commands that a pattern may match."""
    yield from catalogue.called_toplevel
    for service in catalogue.services.values():
        yield f"{service.name}.*"  # all of its commands, also where it has none, as a program
        for command in service.commands.values():
            yield from (f"{service.name}.{name}" for name in (command.name, *command.aliases))
