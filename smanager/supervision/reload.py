"""What a changed configuration, or changed services files, ask for: found before anything is done, then done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from smanager.config.checks import SettingsError
from smanager.config.file import ConfigError, Services
from smanager.config.service import PROGRAM_KEYS, Settings, settings_of
from smanager.hosts.source import fingerprint
from smanager.supervision.catalogue import Catalogue, Service, ServicesFile
from smanager.supervision.graph import circles

RESTARTING_KEYS = frozenset({*PROGRAM_KEYS, "options", "limits", "host"})
"""What a service meets at its start only; all else is looked at when it matters, and restarts nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do; `verb` is remove, stop, restart, change, start, load, or note where there is nothing to do."""

    verb: str
    name: str
    """The service's, or the file's where it is to be loaded."""
    file: ServicesFile
    why: str

    def __str__(self) -> str:
        return f"{self.verb} {self.name}: {self.why}"


class Plan(NamedTuple):
    """What a reload leads to, and by which steps."""

    wanted: Services
    files: dict[Path, ServicesFile]
    changes: list[Change]


def changes(catalogue: Catalogue, wanted: Services, files: dict[Path, ServicesFile]) -> list[Change]:
    """What leads from what the catalogue holds to what is wanted; `files` are those that there are now.

    Raises ConfigError where that cannot be.
    """
    found: list[Change] = []
    for path, file in catalogue.files.items():
        if path not in files:
            found += [Change("remove", service.name, file, "its file is gone") for service in file.services]
        elif not file.is_code:
            gone = [service for service in file.services if service.name not in wanted.programs]
            found += [Change("remove", service.name, file, "it is not configured any more") for service in gone]
    for path, file in files.items():
        if file.is_code and is_other(file):
            found.append(Change("load", path.name, file, "it has changed" if path in catalogue.files else "it is new"))
        else:
            for service in file.services:
                found += _changed(service, file, catalogue.configuration, wanted)
    if configuration := files.get(wanted.path) if wanted.path else None:
        found += _root_changes(configuration, catalogue.configuration, wanted)
    if any(change.verb in ("remove", "load") for change in found):  # what was wrong may not be any more
        again = [file for path, file in files.items() if file.is_code and file.problems]
        loaded = [change.file for change in found if change.verb == "load"]
        found += [Change("load", file.path.name, file, "it had problems") for file in again if file not in loaded]
    refuse_circles(catalogue, wanted)
    known = {service.name for file in files.values() if not file.is_code for service in file.services}
    if configuration:
        found += [Change("start", name, configuration, "it is new") for name in wanted.programs if name not in known]
    return found


def _root_changes(configuration: ServicesFile, before: Services, wanted: Services) -> Iterator[Change]:
    if before.exit_on != wanted.exit_on:
        yield Change("change", "exit_on", configuration, "it has changed")
    for key in sorted({*before.at_start, *wanted.at_start}):
        if before.at_start.get(key) != wanted.at_start.get(key):
            yield Change("note", key, configuration, "it has changed, and counts from the manager's next start on")


def is_other(file: ServicesFile) -> bool:
    """Whether a file is not what is known of it, or what a process has loaded of it."""
    now = fingerprint(file.path)
    running = [service.fingerprint for service in file.services if service.state.alive and service.fingerprint]
    return any(loaded != now for loaded in [file.fingerprint, *running])


def _changed(service: Service, file: ServicesFile, before: Services, wanted: Services) -> Iterator[Change]:
    """What other settings ask for."""
    old, new = before.settings.get(service.name, {}), wanted.settings.get(service.name, {})
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if not keys or (not file.is_code and service.name not in wanted.programs):
        return
    settings = wanted_settings(service, wanted)
    if settings.enabled != service.settings.enabled:
        verb, why = ("start", "it is enabled") if settings.enabled else ("stop", "it is not enabled")
        yield Change(verb, service.name, file, why)
    elif RESTARTING_KEYS & set(keys):
        yield Change("restart", service.name, file, f"other {', '.join(keys)}")
    else:
        yield Change("change", service.name, file, f"other {', '.join(keys)}")


def wanted_settings(service: Service, wanted: Services) -> Settings:
    """How a service that is known is to be kept up. Raises ConfigError."""
    try:
        return settings_of({**service.class_given, **wanted.settings.get(service.name, {})}, service.is_program)
    except SettingsError as error:
        raise ConfigError(f"{wanted.path}: [services.{service.name}] {error}") from None


def refuse_problems(path: Path, wanted: Services, report: dict[str, Any]) -> None:
    """Raise ConfigError where something is wrong with what a process has found in a file."""
    for problem in report["problems"]:
        raise ConfigError(f"{path}: {problem}")
    for found in report["services"]:
        try:
            settings_of({**found["given"], **wanted.settings.get(found["name"], {})}, found["is_program"])
        except SettingsError as error:
            raise ConfigError(f"{path}: line {found['line']}: {error}") from None


def refuse_circles(catalogue: Catalogue, wanted: Services) -> None:
    """Raise ConfigError where services are to come after themselves that did not before."""
    settings = {name: settings_of(given, is_program=True) for name, given in wanted.programs.items()}
    for name, service in catalogue.services.items():
        if service.file.is_code:
            settings[name] = wanted_settings(service, wanted)
    found = circles({name: (*given.needs, *given.after) for name, given in settings.items()})
    for name in found.keys() - catalogue.circles().keys():
        raise ConfigError(f"{wanted.path}: [services.{name}] needs a circle: {' → '.join(found[name])}")
