"""Services files: which exist, how a change to one is noticed, and what a host reports about one.

A host runs other people's code, so what it sends is checked before the manager takes it in.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from smanager.commands.record import Command
from smanager.system import trust

_TYPES = {"name": str, "title": str, "doc": str, "line": int, "commands": list, "is_program": bool, "given": dict}


class ReportError(ValueError):
    """A malformed report; the text is one line."""


class ServiceDescription(NamedTuple):
    """A service as its class, or the configuration, describes it."""

    name: str
    title: str  # the name of the class, or the service's own
    doc: str = ""
    line: int = 0  # where the class begins; 0 if unknown
    commands: tuple[Command, ...] = ()
    is_program: bool = False
    given: Mapping[str, Any] = MappingProxyType({})  # settings, as the class gives them

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ServiceDescription:
        """From a host's JSON. Raises KeyError, TypeError and ValueError if it is malformed."""
        for key, kind in _TYPES.items():
            if not isinstance(data[key], kind):
                raise TypeError(f"{key} is {data[key]!r:.100}; should be of type {kind.__name__}")
        commands = tuple(map(Command.from_data, data["commands"]))
        return cls(**{**{key: data[key] for key in _TYPES}, "commands": commands})


class FileReport(NamedTuple):
    """What is in a services file."""

    services: tuple[ServiceDescription, ...]
    problems: tuple[str, ...] = ()
    fingerprint: object = None  # identifies the version of the file that the host has loaded

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> FileReport:
        """From a host's JSON. Raises ReportError if it is malformed."""
        try:
            services = tuple(map(ServiceDescription.from_data, data["services"]))
            return cls(services, tuple(map(str, data["problems"])), data.get("fingerprint"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ReportError(f"its process sent a malformed description of it: {error!r:.200}") from None


def fingerprint(path: Path) -> list[object]:
    """Tells by its contents whether a services file, or any file in a package, has changed."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    prints: list[object] = []
    for file in files:
        with suppress(OSError):
            if file.is_file():  # a pipe would never end
                prints.append([str(file), zlib.crc32(file.read_bytes())])  # a list, as JSON returns it
    return prints


def why_untrusted(path: Path) -> str:
    """Why a services file, or what it may import from beside it, cannot be trusted; see `trust.why_untrusted`."""
    beside = path.rglob("*") if path.is_dir() else [*path.parent.glob("_*.py"), path.parent / "__pycache__"]
    return next(filter(None, map(trust.why_untrusted, [path, *beside])), "")


def services_files(directory: Path) -> list[Path]:
    """The files and packages in a directory that may hold services. Raises OSError if it cannot be read."""
    return sorted(
        path
        for path in directory.iterdir()
        if not path.name.startswith(("_", "."))
        and (path.suffix == ".py" or (os.access(path, os.X_OK) and (path / "__init__.py").is_file()))
    )
