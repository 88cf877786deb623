"""The place of a configuration: a directory of its own, which its manager locks, and where it keeps its state.

A configuration is its file, whatever links and relative paths lead to the file's directory. Without a file, it is the
one that would be beside `services`, so that a file that is written later finds what was kept; a services directory of
another name is a configuration by itself.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from smanager.access.origin import address_text
from smanager.config.file import FILE_NAME, ConfigError
from smanager.config.listener import ListenerSettings

SHOWN = 20  # characters of a directory's name in that of the place: the path of a socket has room for some 100

SOCKET = "socket"  # in a state directory: where `smanager attach` connects

EARLIER_HOSTS = {"": "0.0.0.0", "localhost": "127.0.0.1"}
"""How a state directory that was named after an address spelled a configured host."""


class Place(NamedTuple):
    """Which configuration it is."""

    path: Path  # of the file, which need not exist, or of a services directory
    shown: Path  # what messages call the configuration

    def directory(self) -> Path:
        """Its directory among this user's state directories (XDG). Raises ConfigError without a home directory."""
        return state_home() / self._name

    def of_owner(self) -> Path | None:
        """Its directory among the state directories of the file's owner, for root to find; None without such a user."""
        with suppress(OSError, KeyError):
            return Path(pwd.getpwuid(self.shown.stat().st_uid).pw_dir, ".local", "state", "smanager", self._name)
        return None

    @property
    def _name(self) -> str:
        digits = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:8]
        return f"{re.sub(r'[^a-zA-Z0-9_.-]', '_', self.path.parent.name)[:SHOWN] or 'root'}-{digits}"


def place_of(file: Path | None, services: Sequence[Path]) -> Place:
    """The place of a configuration with this file, or without one, with these services directories."""
    if file:
        return Place(file.parent.resolve() / file.name, file)
    directory = services[0].resolve()
    return Place(directory.with_name(FILE_NAME) if directory.name == "services" else directory, services[0])


def state_home() -> Path:
    """The directory of this user's state directories. Raises ConfigError for a user without a home directory."""
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:  # as in a container that runs as a number: no HOME, and no entry in passwd
        message = f"the user {os.getuid()} has no home directory for a state directory; name one with --state-dir DIR"
        raise ConfigError(message) from None
    return Path(home) / "smanager"


def systemds_directory() -> Path | None:
    """The directory that systemd has made for the unit."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else None


def own_listener(directory: Path | None) -> list[ListenerSettings]:
    """The listener for `smanager attach` in a state directory, if there is one."""
    return [ListenerSettings("attach", unix=directory / SOCKET, is_own=True)] if directory else []


def earlier_directories(listeners: Iterable[ListenerSettings]) -> list[Path]:
    """Where the state may have been before it was named after the configuration: directories named after addresses."""
    names = []
    for listener in listeners:
        if listener.tcp and listener.tcp[1]:
            host, port = listener.tcp
            names.append(address_text(EARLIER_HOSTS.get(host, host), port))
        elif listener.unix:
            names.append(str(listener.unix))
    return [state_home() / re.sub("[:/]", "-", name).strip("-") for name in names]
