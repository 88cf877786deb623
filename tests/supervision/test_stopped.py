"""Which services were stopped is found again, whatever happened to the file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from smanager.supervision.stopped import FILE, StoppedFile, StoppedServices


@pytest.fixture
def file(tmp_path: Path) -> StoppedFile:
    return StoppedFile(tmp_path / FILE)


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
    assert file.path.with_name(f"{FILE}.bad").read_text() == torn
    assert file.read() == {"before"}


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
