"""Past runs of commands, as the next manager finds them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.logs import runs
from smanager.logs.runs import DIRECTORY, Limits, Run, Runs

PLENTY = Limits(1000, 10**9)


def run_of(number: int, seconds: float | None = 1.0, when: float = 0.0) -> Run:
    return Run(
        id=number,
        service="backup",
        command="full",
        role="operate",
        line="backup full disk",
        arguments={"target": "disk"},
        withheld="",
        services=None,
        user="anna",
        origin="the console",
        behalf="",
        roles=("admin",),
        when=when or float(number),
        seconds=seconds,
    )


def keep(directory: Path | None, kept: Sequence[tuple[Run, str]], limits: Limits = PLENTY) -> Runs:
    """A manager's runs, of which some are kept, one after the other."""

    async def live() -> Runs:
        lived = Runs(directory, lambda: limits)
        await lived.begin()
        for run, text in kept:
            lived.put(run, lambda text=text: text)  # type: ignore[misc]  # mypy infers no type for it
            await lived.close()
        return lived

    return asyncio.run(live())


def later(directory: Path, ask: Callable[[Runs], Awaitable[str]] | None = None) -> tuple[Runs, str]:
    """The next manager's runs, and the answer to a question about them."""

    async def live() -> tuple[Runs, str]:
        lived = Runs(directory, lambda: PLENTY)
        await lived.begin()
        return lived, await ask(lived) if ask else ""

    return asyncio.run(live())


def numbers(directory: Path) -> list[int]:
    return sorted(int(path.stem) for path in (directory / DIRECTORY).iterdir())


def test_the_next_manager_knows_a_run_and_its_output(tmp_path: Path) -> None:
    keep(tmp_path, [(run_of(1), "one\ntwo \udc80\n")])
    lived, text = later(tmp_path, lambda lived: lived.output(1))
    assert (lived.all(), text) == ([run_of(1)], "one\ntwo \udc80\n")
    assert lived.next_id() == 2
    assert (tmp_path / DIRECTORY / "1.txt").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / DIRECTORY).stat().st_mode & 0o777 == 0o700


def test_a_run_that_was_under_way_is_lost_with_its_manager(tmp_path: Path) -> None:
    keep(tmp_path, [(run_of(1, seconds=None), "so far")])
    lived, text = later(tmp_path, lambda lived: lived.output(1))
    assert ([run.is_lost for run in lived.all()], text) == ([True], "so far")


def test_a_run_that_ends_replaces_what_was_known_of_it(tmp_path: Path) -> None:
    keep(tmp_path, [(run_of(1, seconds=None), "so far"), (run_of(1), "all")])
    lived, text = later(tmp_path, lambda lived: lived.output(1))
    assert (lived.all(), text) == ([run_of(1)], "all")


def test_without_a_directory_nothing_is_kept() -> None:
    lived = keep(None, [(run_of(1), "")])
    assert (lived.all(), lived.lost, lived.next_id(), lived.next_id()) == ([], 0, 1, 2)


def test_nothing_is_made_or_read_before_the_first_run(tmp_path: Path) -> None:
    keep(tmp_path, [])
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        (PLENTY, [1, 2, 3, 4, 5]),
        (Limits(2, 10**9), [4, 5]),
        (Limits(1000, 4000), [4, 5]),
        (Limits(1000, 1), []),
    ],
)
def test_beyond_the_limits_the_oldest_go_first(tmp_path: Path, limits: Limits, left: list[int]) -> None:
    lived = keep(tmp_path, [(run_of(number), "x" * 1500) for number in range(1, 6)], limits)
    assert numbers(tmp_path) == left == [run.id for run in lived.all()]


def test_what_ended_last_stays_and_so_does_what_is_under_way(tmp_path: Path) -> None:
    long, under_way = run_of(1, seconds=1000.0), run_of(2, seconds=None)
    keep(tmp_path, [(run, "") for run in (long, under_way, run_of(3), run_of(4))], Limits(2, 10**9))
    assert numbers(tmp_path) == [1, 2]


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3000)), max_size=20), st.integers(1, 9))
def test_files_and_bytes_are_within_their_limits(
    tmp_path_factory: pytest.TempPathFactory, kept: list[tuple[int, int]], most: int
) -> None:
    directory = tmp_path_factory.mktemp("runs")
    keep(directory, [(run_of(number), "x" * size) for number, size in kept], Limits(most, 5000))
    files = [*(directory / DIRECTORY).iterdir()] if kept else []
    assert len(files) <= most
    assert sum(path.stat().st_size for path in files) <= 5000


def test_what_cannot_be_written_is_counted_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / DIRECTORY).write_text("in the way")
    with caplog.at_level(logging.ERROR, "smanager"):
        lived = keep(tmp_path, [(run_of(1), ""), (run_of(2), "")])
    assert (lived.all(), lived.lost) == ([], 2)
    (record,) = caplog.records
    assert f"{tmp_path / DIRECTORY}: cannot keep what commands have done: " in record.getMessage()


def test_runs_that_wait_for_the_disk_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "WAITING_LIMIT", 3)

    async def live() -> Runs:
        lived = Runs(tmp_path, lambda: PLENTY)
        for number in range(1, 6):
            lived.put(run_of(number), str)
        await lived.close()
        return lived

    lived = asyncio.run(live())
    assert ([run.id for run in lived.all()], lived.lost) == ([1, 2, 3], 2)


@pytest.mark.parametrize("line", ["", "{", "[]", '{"id": 1}', "null", '{"id": 1, "roles": 5}'])
def test_a_damaged_file_counts_for_nothing_but_its_size(tmp_path: Path, line: str) -> None:
    keep(tmp_path, [(run_of(1), "")])
    (tmp_path / DIRECTORY / "7.txt").write_text(f"{line}\n")
    (tmp_path / DIRECTORY / "notes").write_text("")
    lived, _ = later(tmp_path)
    assert lived.all() == [run_of(1)]
    assert lived.next_id() == 8
    keep(tmp_path, [(run_of(8), "")], Limits(2, 10**9))
    assert not (tmp_path / DIRECTORY / "7.txt").exists()


@pytest.mark.parametrize(
    "damage",
    [
        {"service": 5},
        {"command": None},
        {"line": None},
        {"failure": 5},
        {"arguments": [1]},
        {"roles": [1]},
        {"services": [[1]]},
        {"when": "now"},
        {"when": 1e300},
        {"seconds": "1"},
        {"seconds": -1e300},
    ],
)
def test_a_file_with_a_fact_of_another_kind_is_damaged(tmp_path: Path, damage: dict[str, object]) -> None:
    keep(tmp_path, [(run_of(1), "")])
    (tmp_path / DIRECTORY / "7.txt").write_text(json.dumps(run_of(7)._asdict() | damage))
    assert later(tmp_path)[0].all() == [run_of(1)]


def test_a_directory_that_cannot_be_read_keeps_no_manager_from_its_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, [(run_of(1), "")])

    def refuse(directory: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(runs, "_read", refuse)
    assert later(tmp_path)[0].all() == []
    assert "permission denied; what commands have done before is not known" in caplog.text.lower()


def test_no_link_is_followed(tmp_path: Path) -> None:
    keep(tmp_path, [(run_of(1), "")])
    (tmp_path / DIRECTORY / "1.txt").rename(tmp_path / "elsewhere")
    (tmp_path / DIRECTORY / "1.txt").symlink_to(tmp_path / "elsewhere")
    assert later(tmp_path)[0].all() == []
