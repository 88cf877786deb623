"""What a host reports about a services file, checked, because a host runs other people's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smanager.commands.record import Command

_TYPES = {"name": str, "title": str, "doc": str, "line": int, "commands": list, "is_program": bool, "given": dict}


class ReportError(ValueError):
    """A malformed report; the text is one line."""


@dataclass(frozen=True, slots=True)
class ServiceDescription:
    """A service as its class, or the configuration, describes it."""

    name: str
    title: str  # the name of the class, or the service's own
    doc: str = ""
    line: int = 0  # where the class begins; 0 if unknown
    commands: tuple[Command, ...] = ()
    is_program: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)  # settings, as the class gives them

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ServiceDescription:
        """From a host's JSON. Raises KeyError, TypeError and ValueError if it is malformed."""
        for key, kind in _TYPES.items():
            if not isinstance(data[key], kind):
                raise TypeError(f"{key} is {data[key]!r:.100}; should be of type {kind.__name__}")
        commands = tuple(map(Command.from_data, data["commands"]))
        return cls(**{**{key: data[key] for key in _TYPES}, "commands": commands})


@dataclass(frozen=True, slots=True)
class FileReport:
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
