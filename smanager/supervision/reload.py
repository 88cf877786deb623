"""`reload`: compares what runs with the configuration and the files as they are now, and applies the difference.

Everything is compared, and each changed file imported once to try it, before the first change is applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from smanager.access.callers import Caller
from smanager.access.roles import Roles
from smanager.commands.record import CommandError
from smanager.config.checks import SettingsError
from smanager.config.file import ConfigError, ServicesConfig
from smanager.config.service import PROGRAM_KEYS, ServiceSettings
from smanager.hosts.source import ServiceDescription, fingerprint
from smanager.supervision.catalogue import (
    Catalogue,
    Service,
    ServicesFile,
    configured_programs,
    given_settings,
    settings_for,
    start_cycles,
)
from smanager.supervision.discovery import Discovery
from smanager.supervision.group import Group
from smanager.supervision.keeper import Keeper
from smanager.supervision.patterns import warn_of_patterns
from smanager.supervision.reports import ChangeReport, Notice, Tell, ignore_report

RESTARTING_KEYS = frozenset({*PROGRAM_KEYS, "options", "limits", "host"})
"""Settings that a service reads at its start only; all others are looked up when they matter, and restart nothing."""


class IncompleteError(CommandError):
    """A reload that could not apply everything; the text says what is missing."""


@dataclass(slots=True)
class Plan:
    """What a reload will change."""

    wanted: ServicesConfig
    files: dict[Path, ServicesFile]  # all that exist now
    changes: list[ChangeReport]
    loads: list[ServicesFile]  # the files among them to load: new, changed, or with problems that may be gone


@dataclass(frozen=True, slots=True)
class Reload:
    """Plans and applies the changes."""

    catalogue: Catalogue
    group: Group
    discovery: Discovery
    roles: Roles
    read_services: Callable[[], ServicesConfig]  # reads the configuration anew; raises ConfigError

    async def plan(self) -> Plan:
        """What `apply` would change. Raises ConfigError and CommandError if it cannot be applied."""
        wanted = self.read_services()
        plan = compare(self.catalogue, wanted, self.catalogue.find_files(wanted))
        await asyncio.gather(*(self.discovery.try_file(file, wanted) for file in plan.loads))
        plan.changes = list(map(self._unless_stopped, plan.changes))
        named = {change.name for change in plan.changes}
        plan.changes += [
            ChangeReport("restart", keeper.name, "it needs what is stopped, or shares its process")
            for keeper in self._interrupted(plan)
            if keeper.name not in named and keeper.service.file not in plan.loads and not keeper.state.down
        ]
        return plan

    async def apply(self, by: Caller, tell: Tell, renew: Callable[[Tell], Sequence[str]]) -> None:
        """Make all changes, restarting only what has to be; tell the requester of each.

        `renew` applies what the configuration means elsewhere, and returns what it could not apply. Raises what `plan`
        raises, and nothing has changed then; and IncompleteError after all other changes.
        """
        plan = await self.plan()
        for change in plan.changes:
            tell(change)
        if self.roles.renew(plan.wanted.roles):
            tell(Notice("the roles have changed"))
            self.catalogue.publish()
        problems = renew(tell)  # before what may take long: a caller who has lost a right has lost it now
        removed, named = self._keepers(plan, "remove"), self._keepers(plan, "restart")
        interrupted = self._interrupted(plan)
        again = [  # the services of loaded files start once these are discovered
            keeper
            for keeper in interrupted
            if keeper.service.file not in plan.loads and (keeper in named or not keeper.state.down)
        ]
        await self.group.stop([*interrupted, *self._keepers(plan, "remove", "stop")], by, ignore_report)
        for keeper in removed:
            self.group.forget(keeper)
        self.catalogue.reconfigure(plan.wanted, plan.files)
        for service in self.catalogue.services.values():
            self.group.keep(service)
        await self.group.start([*again, *self._keepers(plan, "start")], by, tell)
        await self.discovery.start(plan.loads, by, tell)
        warn_of_patterns(self.catalogue, self.roles, tell)
        if problems:
            raise IncompleteError("; ".join(problems))

    def _unless_stopped(self, change: ChangeReport) -> ChangeReport:
        """A service that a requester stopped is changed, but not started."""
        if change.verb in ("start", "restart") and change.name in self.group.stopped:
            return ChangeReport("change", change.name, f"{change.reason}, but stays stopped, because a user stopped it")
        return change

    def _interrupted(self, plan: Plan) -> list[Keeper]:
        """The services that have to be down for a while: those to restart or load, and those that these draw in."""
        loaded = [keeper for keeper in self.group.keepers.values() if keeper.service.file in plan.loads]
        ending = self._keepers(plan, "stop", "remove")
        sharing = self.group.order.sharing([*self._keepers(plan, "restart"), *loaded])
        return [keeper for keeper in self.group.order.stopped_with([*sharing, *ending]) if keeper not in ending]

    def _keepers(self, plan: Plan, *verbs: str) -> list[Keeper]:
        """The keepers of the services that the plan changes in one of these ways."""
        names = dict.fromkeys(change.name for change in plan.changes if change.verb in verbs)
        return [self.group.keepers[name] for name in names if name in self.group.keepers]


def compare(catalogue: Catalogue, wanted: ServicesConfig, files: dict[Path, ServicesFile]) -> Plan:
    """The changes to the wanted configuration and the present files. Raises ConfigError if the settings are wrong."""
    changes = list(_removals(catalogue, wanted, files))
    loads = []
    for file in files.values():
        if file.is_code and has_changed(file):
            loads.append(file)
            reason = "it has changed" if file.path in catalogue.files else "it is new"
            changes.append(ChangeReport("load", file.path.name, reason))
        else:
            for service in file.services:
                changes += _setting_changes(service, wanted)
    changes += _root_changes(catalogue.configuration, wanted)
    if any(change.verb in ("remove", "load") for change in changes):  # which may have caused the problems of others
        again = [file for file in files.values() if file.is_code and file.problems and file not in loads]
        loads += again
        changes += [ChangeReport("load", file.path.name, "it had problems") for file in again]
    refuse_cycles(catalogue, wanted)
    known = [service.name for file in files.values() if not file.is_code for service in file.services]
    changes += [ChangeReport("start", name, "it is new") for name in wanted.programs if name not in known]
    return Plan(wanted, files, changes, loads)


def has_changed(file: ServicesFile) -> bool:
    """Whether a file is not the version that the catalogue knows, or that a running service was loaded from."""
    running = [service.fingerprint for service in file.services if service.state.alive and service.fingerprint]
    now = fingerprint(file.path)
    return any(loaded != now for loaded in [file.fingerprint, *running])


def _removals(catalogue: Catalogue, wanted: ServicesConfig, files: dict[Path, ServicesFile]) -> Iterator[ChangeReport]:
    for path, file in catalogue.files.items():
        for service in file.services:
            if path not in files:
                yield ChangeReport("remove", service.name, "its file is gone")
            elif not file.is_code and service.name not in wanted.programs:
                yield ChangeReport("remove", service.name, "it is not configured any more")


def _setting_changes(service: Service, wanted: ServicesConfig) -> Iterator[ChangeReport]:
    old, new = service.given, given_settings(service.description, wanted)
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if not keys or (not service.file.is_code and service.name not in wanted.programs):
        return
    settings = wanted_settings(service.description, wanted)
    if settings.enabled != service.settings.enabled:
        verb, reason = ("start", "it is enabled") if settings.enabled else ("stop", "it is not enabled")
        yield ChangeReport(verb, service.name, reason)
    else:
        verb = "restart" if RESTARTING_KEYS & set(keys) else "change"
        yield ChangeReport(verb, service.name, f"other {', '.join(keys)}")


def _root_changes(before: ServicesConfig, wanted: ServicesConfig) -> Iterator[ChangeReport]:
    if before.exit_on != wanted.exit_on:
        yield ChangeReport("change", "exit_on", "it has changed")
    for key in sorted({*before.at_start, *wanted.at_start}):
        if before.at_start.get(key) != wanted.at_start.get(key):
            yield ChangeReport("note", key, "it has changed, and counts from the manager's next start on")


def wanted_settings(description: ServiceDescription, wanted: ServicesConfig) -> ServiceSettings:
    """A service's settings with the wanted configuration. Raises ConfigError."""
    try:
        return settings_for(description, wanted)
    except SettingsError as error:
        raise ConfigError(f"{wanted.path}: [services.{description.name}] {error}") from None


def refuse_cycles(catalogue: Catalogue, wanted: ServicesConfig) -> None:
    """Raise ConfigError if the wanted configuration brings a new dependency cycle."""
    classes = [service.description for service in catalogue.services.values() if service.file.is_code]
    descriptions = [*configured_programs(wanted).services, *classes]
    settings = {description.name: wanted_settings(description, wanted) for description in descriptions}
    known = catalogue.cycles()
    for name, problem in start_cycles(settings).items():
        if name not in known:
            raise ConfigError(f"{wanted.path}: {problem}")
