"""`reload`: compares what runs with the configuration and the files as they are now, and applies the difference.

Everything is compared, and each changed file imported once to try it, before the first change is applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from smanager.access.callers import Caller
from smanager.access.roles import Roles
from smanager.config.checks import SettingsError, checked
from smanager.config.env_file import fingerprint as contents_of
from smanager.config.file import ServicesConfig, refuse
from smanager.config.service import KEYS, PROGRAM_KEYS
from smanager.hosts.source import FileReport, ServiceDescription, fingerprint
from smanager.supervision.catalogue import (
    Catalogue,
    Service,
    ServicesFile,
    configured_programs,
    given_settings,
    settings_for,
)
from smanager.supervision.discovery import Discovery
from smanager.supervision.group import Group
from smanager.supervision.keeper import Keeper
from smanager.supervision.patterns import warn_of_patterns
from smanager.supervision.reports import ChangeReport, Notice, Tell, ignore_report
from smanager.supervision.states import State

RESTARTING_KEYS = frozenset({*PROGRAM_KEYS, "options", "limits", "host"})
"""Settings that a service reads at its start only; all others are looked up when they matter, and restart nothing."""


class Elsewhere(NamedTuple):
    """What a reload changes outside of the supervision, looked at and ready, to be applied or dropped."""

    changes: Sequence[ChangeReport] = ()
    problems: Sequence[str] = ()  # nothing is changed if there are any
    apply: Callable[[Caller, Tell], Awaitable[object]] = lambda by, tell: asyncio.sleep(0)
    drop: Callable[[], object] = lambda: None


LookElsewhere = Callable[[ServicesConfig], Awaitable[Elsewhere]]


async def nothing_elsewhere(wanted: ServicesConfig) -> Elsewhere:
    return Elsewhere()


@dataclass(slots=True)
class Plan:
    """What a reload will change."""

    wanted: ServicesConfig
    files: dict[Path, ServicesFile]  # all that exist now
    changes: list[ChangeReport]
    loads: list[ServicesFile]  # the files among them to load: new, changed, or with problems that may be gone
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    problems: list[str] = field(default_factory=list)  # of files that had no service before, and so take none away

    def problems_of(self, file: ServicesFile, refusing: list[str]) -> list[str]:
        """Where the problems of a file belong: to the `refusing` ones, unless no service comes from it at present."""
        return refusing if not file.is_code or self.files[file.path].services else self.problems

    def drop_loads(self, trial: Catalogue) -> None:
        """Load no file anew that has the same problems as before, and tell of none that cannot be loaded."""
        for file in [file for file in self.loads if file.path in self.files and not has_changed(file)]:
            tried = trial.files[file.path]
            if [*map(_without_hint, tried.problems)] == [*map(_without_hint, file.problems)]:
                self.loads.remove(file)
        names = {file.path.name for file in self.loads if trial.files[file.path].services}
        self.changes = [change for change in self.changes if change.verb != "load" or change.name in names]


@dataclass(frozen=True, slots=True)
class Reload:
    """Plans and applies the changes."""

    catalogue: Catalogue
    group: Group
    discovery: Discovery
    roles: Roles
    read_services: Callable[[], ServicesConfig]  # reads the configuration anew; raises ConfigError

    async def plan(self, look_elsewhere: LookElsewhere) -> Plan:
        """What `apply` would change; what is ready `elsewhere` has to be applied or dropped.

        Raises ConfigError, with all problems, and CommandError.
        """
        wanted = self.read_services()
        elsewhere = await look_elsewhere(wanted)
        try:
            return await self._plan(wanted, elsewhere)
        except BaseException:
            elsewhere.drop()
            raise

    async def _plan(self, wanted: ServicesConfig, elsewhere: Elsewhere) -> Plan:
        problems = [*wanted.problems, *elsewhere.problems]
        plan = compare(self.catalogue, wanted, self.catalogue.find_files(wanted))
        plan.elsewhere = elsewhere
        reports = await asyncio.gather(*(self.discovery.try_file(file, wanted) for file in plan.loads))
        loaded = {file.path: report for file, report in zip(plan.loads, reports, strict=True)}
        trial = try_catalogue(self.catalogue, plan, loaded, problems)
        plan.changes = [*map(self._unless_stopped, plan.changes), *elsewhere.changes]
        named = {change.name for change in plan.changes}
        plan.changes += [
            ChangeReport("restart", keeper.name, "it needs what is stopped, or shares its process")
            for keeper in self._interrupted(plan)
            if keeper.name not in named and keeper.service.file not in plan.loads and not keeper.state.down
        ]
        starting = {change.name for change in plan.changes if change.verb in ("start", "restart")}
        for service in trial.services.values():
            if service.name in starting or service.file.path in loaded:
                found = [f"[services.{service.name}] {problem}" for problem in service.env_file_problems()]
                plan.problems_of(service.file, problems).extend(found)
        refuse([*plan.problems, *problems] if problems else [])
        return plan

    async def apply(self, by: Caller, tell: Tell, look_elsewhere: LookElsewhere) -> list[str]:
        """Make all changes, restarting only what has to be; tell the requester of each.

        `look_elsewhere` finds what changes outside of the supervision. Raises what `plan` raises, and nothing has
        changed then. Returns the problems of files that cannot be loaded, and hold up no others.
        """
        plan = await self.plan(look_elsewhere)
        for change in plan.changes:
            tell(change)
        if self.roles.renew(plan.wanted.roles):
            tell(Notice("the roles have changed"))
            self.catalogue.publish()
        await plan.elsewhere.apply(by, tell)  # before what may take long: a caller who has lost a right has lost it now
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
        return plan.problems

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
    """The changes to the wanted configuration and the present files; what is wrong with them is found later."""
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
            if path in catalogue.configuration.shipped and path not in files:
                yield ChangeReport("remove", service.name, "it is not configured any more")
            elif path not in files:
                yield ChangeReport("remove", service.name, "its file is gone")
            elif not file.is_code and service.name not in wanted.programs:
                yield ChangeReport("remove", service.name, "it is not configured any more")


def _setting_changes(service: Service, wanted: ServicesConfig) -> Iterator[ChangeReport]:
    old, new = service.given, given_settings(service.description, wanted)
    if not service.file.is_code and service.name not in wanted.programs:
        return
    try:
        settings = settings_for(service.description, wanted)
    except SettingsError:
        return  # a problem, which `try_catalogue` finds
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    reasons = [f"other {', '.join(keys)}"] if keys else []
    files = settings.program.env_files if settings.program else ()
    is_outdated = service.contents not in (None, contents_of(files)) and service.state is not State.STOPPED
    if is_outdated and "env_files" not in keys:
        reasons.append("its env_files have changed")
    if settings.enabled != service.settings.enabled:
        verb, reason = ("start", "it is enabled") if settings.enabled else ("stop", "it is not enabled")
        yield ChangeReport(verb, service.name, reason)
    elif reasons:
        verb = "restart" if is_outdated or RESTARTING_KEYS & set(keys) else "change"
        yield ChangeReport(verb, service.name, ", ".join(reasons))


def _root_changes(before: ServicesConfig, wanted: ServicesConfig) -> Iterator[ChangeReport]:
    for key in ("exit_on", "shutdown_timeout", "allow_writable", "runs"):
        if getattr(before, key) != getattr(wanted, key):
            yield ChangeReport("change", key, "it has changed")
    for key in sorted({*before.at_start, *wanted.at_start}):
        if before.at_start.get(key) != wanted.at_start.get(key):
            yield ChangeReport("note", key, "it has changed, and counts from the manager's next start on")


def try_catalogue(present: Catalogue, plan: Plan, loaded: Mapping[Path, FileReport], problems: list[str]) -> Catalogue:
    """A catalogue as it will be after the plan; adds to `problems` what is wrong with it and has not been before.

    The plan gets the problems of files that had no service before, and loses the loads that would change nothing.
    """
    reports = {path: loaded.get(path) or _known(file) for path, file in plan.files.items() if file.is_code}
    wrong = _wrong_tables([one for report in reports.values() for one in report.services], plan.wanted)
    for name, faults in wrong.items():
        problems += [f"{plan.wanted.path}: [services.{name}] {fault}" for fault in faults]
    settings = {name: given for name, given in plan.wanted.settings.items() if name not in wrong}
    trial = present.empty(plan.wanted._replace(settings=settings))
    trial.list_files({path: ServicesFile(path, file.is_code) for path, file in plan.files.items()})
    for path, file in trial.files.items():
        trial.adopt(file, reports[path] if file.is_code else configured_programs(trial.configuration))
    trial.check_configuration()
    before = {(file.path, _without_hint(problem)) for file, problem in present.problems()}
    for file, problem in trial.problems():
        if (file.path, _without_hint(problem)) not in before:
            plan.problems_of(file, problems).append(f"{file.path}: {problem}")
    plan.drop_loads(trial)
    return trial


def _wrong_tables(descriptions: Iterable[ServiceDescription], wanted: ServicesConfig) -> dict[str, Sequence[str]]:
    """The services whose classes get wrong settings from the configuration, each with the problems."""
    wrong: dict[str, Sequence[str]] = {}
    for description in descriptions:
        with suppress(SettingsError):
            checked(description.given, KEYS)  # else the class is to blame, and `adopt` says so
            try:
                settings_for(description, wanted)
            except SettingsError as error:
                if description.name in wanted.settings:
                    wrong[description.name] = error.problems
    return wrong


def _known(file: ServicesFile) -> FileReport:
    return FileReport(tuple(service.description for service in file.services))


def _without_hint(problem: str) -> str:
    """What is wrong, without what would be right, which may name whatever else there is."""
    return problem.partition("; ")[0]
