"""The service that ships, called directly: its answers compared with the system's own tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.systemstatus import SystemStatus, count_sessions, human, mounted_disks, uptime_line
from smanager.commands.signatures import describe

MINUTE, HOUR, DAY = 60, 60 * 60, 24 * 60 * 60
UPTIME_SHAPE = re.compile(
    r" \d\d:\d\d:\d\d up (\d+ days?, )?([ \d]\d:\d\d|\d+ min), +\d+ users?,  load average: \d+\.\d\d(, \d+\.\d\d){2}"
)

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_uptime_is_the_line_of_the_readme() -> None:
    line = uptime_line("12:20:43", 12 * DAY + 14 * HOUR + 36 * MINUTE, 6, (0.28, 0.39, 0.46))
    assert line == " 12:20:43 up 12 days, 14:36,  6 users,  load average: 0.28, 0.39, 0.46"


@pytest.mark.parametrize(
    ("seconds", "up"),
    [
        (0, "0 min"),
        (59 * MINUTE + 59, "59 min"),
        (HOUR, " 1:00"),
        (DAY - 1, "23:59"),
        (DAY, "1 day, 0 min"),
        (2 * DAY + 3 * HOUR, "2 days,  3:00"),
    ],
)
def test_uptime_words_the_time_as_procps_does(seconds: int, up: str) -> None:
    assert uptime_line("12:20:43", seconds, 1, (0, 0, 0)).startswith(f" 12:20:43 up {up},  1 user,  load")


@on_linux
def test_uptime_has_the_shape_that_the_uptime_program_prints() -> None:
    assert UPTIME_SHAPE.fullmatch(SystemStatus().cmd_uptime())
    if shutil.which("uptime"):
        theirs = subprocess.run(["uptime"], capture_output=True, text=True, check=True).stdout
        if "load average:" in theirs and theirs.startswith(" "):  # busybox pads in its own way
            assert UPTIME_SHAPE.fullmatch(theirs.rstrip("\n"))


def test_load_names_three_averages_and_the_processors() -> None:
    assert re.fullmatch(
        rf"(\d+\.\d\d, ){{2}}\d+\.\d\d over 1, 5, 15 minutes; processors: {os.cpu_count()}", SystemStatus().cmd_load()
    )


@on_linux
def test_memory_reports_available_and_total() -> None:
    total = human(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    memory, swap = SystemStatus().cmd_memory().splitlines()
    assert re.fullmatch(rf"memory: \d+\.\d [KMGT]iB of {re.escape(total)} available", memory)
    assert re.fullmatch(r"swap: \d+\.\d [KMGT]iB of \d+\.\d [KMGT]iB free", swap)


def test_disk_shows_the_disk_that_holds_a_path(tmp_path: Path) -> None:
    (disk,) = SystemStatus().cmd_disk(tmp_path)
    assert (disk.size, disk.path) == (human(shutil.disk_usage(tmp_path).total), str(tmp_path))
    assert re.fullmatch(r"\d+%", disk.share)


def test_disk_without_a_path_shows_every_disk_including_the_root() -> None:
    assert [disk.path for disk in SystemStatus().cmd_disk()] == mounted_disks()
    assert "/" in mounted_disks()
    assert "/proc" not in mounted_disks()


def test_disk_names_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        SystemStatus().cmd_disk(tmp_path / "missing")


@pytest.mark.skipif(not shutil.which("who"), reason="needs the program who")
def test_who_shows_what_the_who_program_prints() -> None:
    assert SystemStatus().cmd_who() == subprocess.run(["who"], capture_output=True, text=True, check=True).stdout


def test_a_session_counts_as_a_login_if_a_person_holds_it(tmp_path: Path) -> None:
    for name, kind in [("1", "user"), ("2", "user"), ("c1", "greeter"), ("3", "manager")]:
        (tmp_path / name).write_text(f"# This is private data. Do not parse.\nUID=1000\nCLASS={kind}\n")
        os.mkfifo(tmp_path / f"{name}.ref")  # opening one would block for ever
    assert count_sessions(tmp_path) == 2


@on_linux
def test_processes_lists_the_largest_first_up_to_the_count() -> None:
    rows = SystemStatus().cmd_processes(3)
    assert list(rows[0]) == ["pid", "memory", "cpu", "name"]
    assert len(rows) == 3
    sizes = [size_of(str(row["memory"])) for row in rows]
    assert sizes == sorted(sizes, reverse=True)


@on_linux
def test_processes_lists_a_process_with_any_name() -> None:
    rename_and_wait = (
        "import pathlib, sys; pathlib.Path('/proc/self/comm').write_bytes(b'a) R (\\xff b');"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", rename_and_wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        rows = SystemStatus().cmd_processes(100_000, "cpu")
        process.communicate()
    assert [row["name"] for row in rows if row["pid"] == process.pid] == ["a) R (\ufffd b"]


def test_hostname_is_what_the_system_calls_itself() -> None:
    assert SystemStatus().toplevel_cmd_hostname() == os.uname().nodename


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.0 KiB"),
        (1024, "1.0 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5 * 1024**5, "5120.0 TiB"),
    ],
)
def test_a_size_is_given_in_a_suitable_unit(size: int, text: str) -> None:
    assert human(size) == text


def size_of(text: str) -> float:
    number, unit = text.split()
    return float(number) * 1024.0 ** "KMGT".index(unit[0])


def test_its_commands_say_that_they_only_read() -> None:
    names = [name for name in vars(SystemStatus) if "cmd_" in name]
    assert [name for name in names if not describe(SystemStatus, name).changes_nothing] == []
