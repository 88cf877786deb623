from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smanager.logs.history import LogLine
from smanager.logs.logfiles import MOST_OPEN, LogFiles
from tests.conftest import wait_for

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Write a line to a service's log file, and return its path once `expected`, or else the line, is in it."""
    files = LogFiles(tmp_path)

    def write_one(text: str, service: str = "web") -> Path:
        path = tmp_path / "logs" / f"{service}.log"
        files.add(LogLine(1.0, service, text), 1_000_000, 1)
        wait_for(lambda: path.exists() and text in path.read_text(), f"{text} in {path}")
        return path

    yield write_one
    files.close()


def test_lines_go_to_the_new_file_after_another_program_has_rotated_it(write: Write) -> None:
    path = write("before")
    path.rename(path.with_suffix(".old"))
    path.write_text("")  # logrotate's `create`
    write("after")
    assert "after" not in path.with_suffix(".old").read_text()


def test_a_directory_that_is_deleted_is_made_again(write: Write, tmp_path: Path) -> None:
    write("before")
    shutil.rmtree(tmp_path / "logs")
    write("after")


def test_others_cannot_read_a_log_whatever_the_umask(write: Write, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = write("secret")
    finally:
        os.umask(before)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def plant_file_link(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "web.log").symlink_to(tmp_path / "target" / "web.log")


def plant_directory_link(tmp_path: Path) -> None:
    (tmp_path / "logs").symlink_to("target")


def plant_pipe(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs" / "web.log")


@pytest.mark.parametrize("plant", [plant_file_link, plant_directory_link, plant_pipe])
def test_what_is_planted_is_neither_followed_nor_waited_for(
    tmp_path: Path, plant: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "target").mkdir()
    plant(tmp_path)
    files = LogFiles(tmp_path)
    files.add(LogLine(1.0, "web", "line"), 1_000_000, 1)
    files.add(LogLine(1.0, "web", "line"), 1_000_000, 1)
    wait_for(lambda: files.lost["web"] == 2, "two lost lines")
    files.close()
    assert [*(tmp_path / "target").iterdir()] == []
    assert len(caplog.messages) == 1
    assert "web.log: lines are lost: it is " in caplog.text


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs procfs")
def test_many_services_hold_few_descriptors(write: Write, tmp_path: Path) -> None:
    for number in range(3 * MOST_OPEN):
        write("line", f"s{number}")
    places = [one.resolve() for one in Path("/proc/self/fd").iterdir()]
    assert sum(tmp_path in place.parents for place in places) <= MOST_OPEN
