"""The users' file: who may have touched it, and changes by several processes at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smanager.access.users import User, UsersError, UsersFile
from tests.conftest import ROOT, run_program


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    with UsersFile(path).changed() as users:
        users["anna"] = User("anna", ("view",))
    return path


def world_readable(path: Path) -> None:
    path.chmod(0o644)


def linked(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def garbled(path: Path) -> None:
    path.write_text("{}")


@pytest.mark.parametrize("spoil", [world_readable, linked, piped, garbled])
def test_a_users_file_that_others_may_have_touched_is_refused(users: Path, spoil: Callable[[Path], None]) -> None:
    assert list(UsersFile(users).users()) == ["anna"]
    spoil(users)
    with pytest.raises(UsersError, match=str(users)):
        UsersFile(users).users()


def test_a_byte_order_mark_and_line_ends_of_windows_mean_nothing(users: Path) -> None:
    users.write_bytes(b"\xef\xbb\xbf" + users.read_bytes().replace(b"\n", b"\r\n"))
    assert list(UsersFile(users).users()) == ["anna"]


def test_changes_at_the_same_time_are_all_kept(users: Path) -> None:
    def add(number: int) -> int:
        options = ("--users-file", str(users), "--no-password")
        return run_program(ROOT / "smanager.py", "user", "add", f"u{number}", *options).returncode

    with ThreadPoolExecutor(4) as threads:  # each of which waits for the disk in its turn
        assert list(threads.map(add, range(4))) == [0] * 4
    assert set(UsersFile(users).users()) == {"anna", *(f"u{number}" for number in range(4))}
    assert users.stat().st_mode & 0o777 == 0o600
