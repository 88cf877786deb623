"""The services that come with the program: a table of `smanager.toml` asks for each, and becomes its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
Table = Mapping[str, Any]


class ShippedService(NamedTuple):
    """Such a service, as the tables of a file want it."""

    name: str
    file: Path
    """Where its class is."""
    settings: Table
    """What no table of the service's own changes."""
    defaults: Table = MappingProxyType({})
    """What its table `[services.NAME]` may replace."""


class Tables(Protocol):
    """A file's tables: what a shipped service's settings are made of. A problem that is found is noted there."""

    @property
    def given(self) -> Table: ...

    @property
    def base(self) -> Path:
        """Where relative paths start."""

    def each(self, kind: str, check: Callable[[str, Table], T]) -> dict[str, T]:
        """What `check` makes of each table of a kind that is right."""

    def table(self, name: str) -> AbstractContextManager[None]:
        """Note the problems of a SettingsError that ends the block, with their place."""

    def require_role(self, name: str) -> None:
        """Raise SettingsError if there is no role of this name."""
