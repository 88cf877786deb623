"""Tells of patterns in roles and in `[runs]` that match no command: misspelled, they have no effect."""

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
    """What to say of each such pattern. The services that are not enabled count as others do.

    While a services file has problems, a pattern may be for what the file would define; then only those are told that
    name a service of a file without problems.
    """
    is_whole = not any(file.is_code for file, _ in catalogue.problems())
    sound = {one_spelling(name) for name, service in catalogue.services.items() if not service.file.problems}
    for place, patterns, names in _lists(catalogue, roles):
        for pattern in without_effect(patterns, names):
            if is_whole or one_spelling(pattern.rpartition(".")[0]) in sound:
                near = resembling(one_spelling(pattern), names, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                yield f"{place}: {pattern!r} matches no command{hint}"


def _lists(catalogue: Catalogue, roles: Roles) -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """Each list of patterns: where it is, the patterns, and the names that they may match."""
    configuration = catalogue.configuration
    names = [*roles.own_names(catalogue.services), *service_names(catalogue)]
    for role in configuration.roles.values():
        yield f"[roles.{role.name}] allow", role.allow, names
        yield f"[roles.{role.name}] deny", role.deny, names
    names = list(run_names(catalogue, roles))
    yield "[runs] always", configuration.runs.always, names
    yield "[runs] never", configuration.runs.never, names


def run_names(catalogue: Catalogue, roles: Roles) -> Iterator[str]:
    """The names of commands by which their runs are kept."""
    yield from (name for name in roles.own_names(()) if " " not in name)
    for service in catalogue.services.values():
        yield from (f"{service.name}.{name}" for name in ("*", *service.commands))


def service_names(catalogue: Catalogue) -> Iterator[str]:
    """All names of services' commands that a pattern may match."""
    yield from catalogue.called_toplevel
    for service in catalogue.services.values():
        yield f"{service.name}.*"  # all of its commands, also where it has none, as a program
        for command in service.commands.values():
            yield from (f"{service.name}.{name}" for name in (command.name, *command.aliases))
