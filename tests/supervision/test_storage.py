"""The state directory: its lock, and the stopped services, which are found again whatever happened to their file."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.supervision.storage import (
    SIZE_LIMIT,
    STOPPED_FILE,
    StoppedFile,
    StoppedServices,
    Storage,
    StorageError,
    UnwritableError,
)
from tests.conftest import ROOT


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    Storage(tmp_path / "state").close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_another_manager_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    storage = Storage(directory)
    imports = "from pathlib import Path; from smanager.supervision.storage import Storage"
    script = f"{imports}; Storage(Path({str(directory)!r}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "is in use by another manager, process " in result.stderr
    storage.close()
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_a_directory_that_cannot_be_made_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match=r"cannot be used: not a directory; name another with --state-dir DIR$"):
        Storage(tmp_path / "file" / "state")
    assert issubclass(UnwritableError, StorageError)


def test_another_users_directory_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    if os.geteuid() == 0:
        os.chown(directory, 65534, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(UnwritableError, match=r"it belongs to user id \d+, and should belong to \d+; name"):
        Storage(directory)


def test_without_a_directory_nothing_is_locked() -> None:
    storage = Storage(None)
    assert storage.directory is None
    storage.close()


@pytest.fixture
def file(tmp_path: Path) -> StoppedFile:
    return StoppedFile(tmp_path / STOPPED_FILE)


def test_stopped_services_are_found_again(file: StoppedFile) -> None:
    assert file.read() == set()
    file.write({"web", "database"})
    file.write({"web"})
    assert StoppedFile(file.path).read() == {"web"}


@pytest.mark.parametrize(
    "torn", ["", "{", '{"format": 2, "stopped": []}', "[]", '{"format": 1, "stopped": [1]}', "\0" * 9]
)
def test_a_torn_or_foreign_file_is_set_aside_and_the_last_good_one_counts(file: StoppedFile, torn: str) -> None:
    file.write({"before"})
    file.write({"after"})
    file.path.write_text(torn)
    assert file.read() == {"before"}
    assert file.path.with_name(f"{STOPPED_FILE}.bad").read_text() == torn
    assert file.read() == {"before"}


def link_to_another(path: Path) -> None:
    path.with_name("planted").write_text('{"format": 1, "stopped": ["planted"]}')
    path.symlink_to("planted")


def oversized(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SIZE_LIMIT + 1)


@pytest.mark.parametrize("plant", [link_to_another, os.mkfifo, Path.mkdir, oversized])
def test_what_is_planted_in_the_files_place_is_set_aside(file: StoppedFile, plant: Callable[[Path], object]) -> None:
    file.write({"before"})
    file.write({"after"})
    file.path.unlink()
    plant(file.path)
    assert file.read() == {"before"}
    assert file.path.with_name(f"{STOPPED_FILE}.bad").lstat()


def test_a_removed_file_means_that_nothing_is_stopped(file: StoppedFile) -> None:
    file.write({"web"})
    file.write({"web", "database"})
    file.path.unlink()
    assert file.read() == set()


def test_a_disk_that_cannot_be_written_is_reported(file: StoppedFile) -> None:
    file.path.with_name(f".{file.path.name}.new").mkdir()
    assert file.write({"web"}) == f"{file.path}: is a directory"
    assert file.read() == set()


@pytest.mark.parametrize("is_kept", [True, False])
def test_changes_are_kept_if_there_is_a_directory(tmp_path: Path, is_kept: bool) -> None:
    directory = tmp_path if is_kept else None

    async def stop_and_start() -> list[str]:
        stopped = StoppedServices(directory)
        stopped.add(["web", "database"])
        stopped.remove(["database"])
        assert await stopped.write() == ""
        return [name for name in ("web", "database") if name in StoppedServices(directory)]

    assert asyncio.run(stop_and_start()) == (["web"] if is_kept else [])
