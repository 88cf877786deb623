"""The state directory: its lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from smanager.supervision.storage import Storage, StorageError, UnwritableError
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


def test_without_a_directory_nothing_is_locked() -> None:
    storage = Storage(None)
    assert storage.directory is None
    storage.close()
