"""A hub's directory: `fleet.json`, and what is made from that for the NATS server that runs with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from smanager.fleet.enrolled import HubRecord, decode_record, encode_record
from smanager.fleet.hub import HubError
from smanager.fleet.hub_settings import EXTRA, EXTRA_HEAD, PID_FILE, nats_settings
from smanager.fleet.keys import new_key
from smanager.fleet.running_hub import lets_in, tell
from smanager.system.atomic import replacing
from smanager.system.errors import in_words
from smanager.system.lock import LockHeldError, lock
from smanager.system.private import contents

RECORD, SETTINGS = "fleet.json", "nats.conf"
SIZE_LIMIT = 64 * 1024 * 1024  # bytes of fleet.json: some 300,000 nodes
PID_SIZE = 16  # bytes
LOCK_SECONDS = 30.0  # how long a change waits for others, each of which takes milliseconds


class HubDirectory:
    """Reads and changes a hub's directory, whose files belong to the owner of the directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def create(self, record: HubRecord, make_certificates: Callable[[], None]) -> None:
        """Make the directory, or nothing at all. Raises HubError."""
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            raise HubError(f"{self.path} exists already; a hub should have a new directory") from None
        except OSError as error:
            raise HubError(f"{self.path}: {in_words(error)}") from None
        try:
            make_certificates()
            self._write(record, new_key().public)
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def record(self) -> HubRecord:
        """Raises HubError."""
        path = self.path / RECORD
        try:
            return decode_record(contents(path, SIZE_LIMIT, self._owner()).decode())
        except FileNotFoundError:
            problem = f"{self.path} is not a hub; `smanager fleet init` makes one, and --hub names another one"
        except OSError as error:
            problem = f"{path}: {in_words(error)}"
        except (ValueError, RecursionError) as error:
            problem = f"{path}: {error}"
        raise HubError(problem)

    @contextmanager
    def changing(self) -> Iterator[HubRecord]:
        """The record, which no other process changes during the body. Raises HubError."""
        self.record()  # so that no lock file is made where there is no hub
        path = self.path / f"{RECORD}.lock"
        try:
            descriptor = lock(path, LOCK_SECONDS, self._owner())
        except LockHeldError:
            raise HubError(f"{path}: another process has held this lock for {LOCK_SECONDS:g} s") from None
        except OSError as error:
            raise HubError(f"{path}: {in_words(error)}") from None
        try:
            yield self.record()
        finally:
            os.close(descriptor)

    def write(self, record: HubRecord) -> bool:
        """Write the record and what follows from it; returns whether a server runs with that, which has taken it.

        Raises HubError.
        """
        probe = new_key()
        self._write(record, probe.public)
        if not (pid := self._server_id()) or not tell(pid, self.path / SETTINGS):
            return False
        if not lets_in(record.listen, probe.seed):
            raise HubError(f"the hub, process {pid}, has not taken the change, and its log says why")
        return True

    def _server_id(self) -> int:
        """What the server has written at its start; 0 if it has not. Raises HubError."""
        path = self.path / PID_FILE
        try:
            return int(contents(path, PID_SIZE, self._owner()))
        except (FileNotFoundError, ValueError):
            return 0
        except OSError as error:
            raise HubError(f"{path}: {in_words(error)}") from None

    def _write(self, record: HubRecord, probe: str) -> None:
        """Raises HubError."""
        owner = self._owner()
        files = {RECORD: encode_record(record), SETTINGS: nats_settings(record, self.path, probe)}
        if not (self.path / EXTRA).exists():
            files[EXTRA] = EXTRA_HEAD
        for name, text in files.items():
            try:
                with replacing(self.path / name, owner) as file:
                    file.write(text)
            except OSError as error:
                raise HubError(f"{self.path / name}: {in_words(error)}") from None
            except UnicodeEncodeError:
                raise HubError(f"{self.path}: a hub's directory should have a name in UTF-8") from None

    def _owner(self) -> int:
        """The user id that files here belong to: root leaves a hub to its owner. Raises HubError."""
        try:
            return self.path.stat().st_uid
        except OSError as error:
            raise HubError(f"{self.path}: {in_words(error)}; `smanager fleet init` makes a hub") from None
