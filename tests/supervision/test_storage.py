"""What outlives the manager: the lock, and what is stopped, whatever happened to the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from smanager.supervision.storage import STOPPED, Storage, StorageError, UnwritableError
from tests.conftest import ROOT


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_what_is_stopped_is_found_again(directory: Path) -> None:
    storage = Storage(directory)
    assert storage.stopped() == set()
    storage.keep_stopped({"web", "database"})
    storage.keep_stopped({"web"})
    storage.close()
    assert Storage(directory).stopped() == {"web"}
    assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "torn", ["", "{", '{"format": 2, "stopped": []}', "[]", '{"format": 1, "stopped": [1]}', "\0" * 9]
)
def test_a_torn_or_foreign_file_is_set_aside_and_the_last_good_one_counts(directory: Path, torn: str) -> None:
    storage = Storage(directory)
    storage.keep_stopped({"before"})
    storage.keep_stopped({"after"})
    (directory / STOPPED).write_text(torn)
    assert storage.stopped() == {"before"}
    assert (directory / f"{STOPPED}.bad").read_text() == torn
    assert storage.stopped() == {"before"}


def test_whoever_removes_the_file_means_it(directory: Path) -> None:
    storage = Storage(directory)
    storage.keep_stopped({"web"})
    storage.keep_stopped({"web", "database"})
    (directory / STOPPED).unlink()
    assert storage.stopped() == set()


def test_another_manager_is_refused_and_told_who_has_it(directory: Path) -> None:
    storage = Storage(directory)
    imports = "from pathlib import Path; from smanager.supervision.storage import Storage"
    script = f"{imports}; Storage(Path({str(directory)!r}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "is in use by another manager, process " in result.stderr
    storage.close()
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_a_directory_that_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match=r"cannot be used: not a directory; name another with --state-dir DIR$"):
        Storage(tmp_path / "file" / "state")


def test_a_disk_that_takes_nothing_is_no_end(directory: Path) -> None:
    storage = Storage(directory)
    (directory / f".{STOPPED}.new").mkdir()
    storage.keep_stopped({"web"})
    assert storage.stopped() == set()


def test_without_a_directory_nothing_is_kept() -> None:
    storage = Storage(None)
    storage.keep_stopped({"web"})
    assert storage.stopped() == set()
    storage.close()
    assert issubclass(UnwritableError, StorageError)
