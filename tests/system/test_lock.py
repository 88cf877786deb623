"""Lock files."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from smanager.system.lock import LockHeldError, is_at, lock


def test_one_holds_it_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = lock(path)
    with pytest.raises(LockHeldError, match="lock: another process holds this lock"):
        lock(path)
    os.close(holder)
    os.close(lock(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_deleted_before_it_is_locked_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    locked: list[int] = []

    def delete_first(descriptor: int, how: int) -> None:
        if not locked:
            path.unlink()
        locked.append(descriptor)
        flock(descriptor, how)

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", delete_first)
    descriptor = lock(path)
    assert is_at(path, descriptor)
    os.close(descriptor)
    assert len(locked) == 2


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    holder = lock(tmp_path / "lock")
    threading.Timer(0.1, os.close, [holder]).start()
    os.close(lock(tmp_path / "lock", wait=10))


def test_the_wait_has_an_end_and_no_descriptor_is_left(tmp_path: Path) -> None:
    holder = lock(tmp_path / "lock")
    before = len(list(Path("/proc/self/fd").iterdir()))
    began = time.monotonic()
    with pytest.raises(LockHeldError):
        lock(tmp_path / "lock", wait=0.2)
    assert 0.2 <= time.monotonic() - began < 5
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(holder)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="it is a symbolic link, and should not be one"):
        lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
