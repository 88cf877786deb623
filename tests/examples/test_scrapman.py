"""The example service scrapman, asked directly: real commands, files and its own loop in a thread."""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.services.scrapman import (
    DAY,
    KEPT_SNAPSHOTS,
    PLANNED_CAPTURES,
    SNAPSHOT_BYTES,
    ScrapMan,
    seconds_until,
)

DEADLINE = 20  # seconds; far above what any step here takes
NOON = datetime(2026, 7, 1, 12, 0, 0)

MakeScrapMan = Callable[..., ScrapMan]


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    return tmp_path / "captures"


@pytest.fixture
def scrapman(captures: Path, monkeypatch: pytest.MonkeyPatch) -> MakeScrapMan:
    """Make the service with the given sources; it writes into `captures`."""

    def make(*sources: str) -> ScrapMan:
        monkeypatch.setenv("SCRAPMAN_DIR", str(captures))
        monkeypatch.setenv("SCRAPMAN_SOURCE", "; ".join(sources))
        return ScrapMan()

    return make


@contextmanager
def running(service: ScrapMan) -> Iterator[None]:
    """Run the service's loop in a thread; at the end, stop it and check that it ends."""
    loop = threading.Thread(target=service.run, daemon=True)
    loop.start()
    yield
    service.stop()
    loop.join(DEADLINE)
    assert not loop.is_alive()


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


def snapshots(directory: Path, label: str = "") -> list[str]:
    return [path.read_text() for path in sorted(directory.glob(f"*{label}.capture"))]


def test_the_top_level_commands_are_those_of_the_readme() -> None:
    prefix = "toplevel_cmd_"
    names = [name.removeprefix(prefix) for name in vars(ScrapMan) if name.startswith(prefix)]
    assert sorted(names) == ["captest", "capture_at", "scrapfreq", "startcap", "stopcap"]


def test_captest_writes_what_a_command_prints_and_shows_it(scrapman: MakeScrapMan, captures: Path) -> None:
    shown = scrapman("echo 'two  words'").toplevel_cmd_captest()
    [path] = captures.iterdir()
    assert path.read_text() == "two  words\n"
    assert shown == f"wrote {path}\ntwo  words\n"


def test_captest_copies_a_file(scrapman: MakeScrapMan, captures: Path, tmp_path: Path) -> None:
    source = tmp_path / "some file"
    source.write_text("its content\n")
    scrapman(str(source)).toplevel_cmd_captest()
    assert snapshots(captures) == ["its content\n"]


def test_a_file_that_can_be_executed_is_run(scrapman: MakeScrapMan, captures: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho out\necho complaint >&2\nexit 3\n")
    program.chmod(0o755)
    scrapman(str(program)).toplevel_cmd_captest()
    assert snapshots(captures) == ["out\ncomplaint\n"]


def test_a_caller_chooses_a_source_by_its_words(scrapman: MakeScrapMan, captures: Path) -> None:
    scrapman("echo first", "echo the second").toplevel_cmd_captest("echo", "the", "second")
    assert snapshots(captures) == ["the second\n"]


def test_only_the_owners_sources_are_run(scrapman: MakeScrapMan, captures: Path, tmp_path: Path) -> None:
    victim = tmp_path / "made-by-a-stranger"
    service = scrapman("echo first", "echo second")
    refusal = "is not a source; the sources are: echo first; echo second"
    with pytest.raises(ValueError, match=refusal):
        service.toplevel_cmd_captest("touch", str(victim))
    with pytest.raises(ValueError, match=refusal):
        service.toplevel_cmd_startcap(f"touch {victim}")
    with pytest.raises(ValueError, match=refusal):
        service.toplevel_cmd_capture_at("+0", "touch", str(victim))
    assert not victim.exists()
    assert not captures.exists()


def test_sources_have_defaults(scrapman: MakeScrapMan) -> None:
    with pytest.raises(ValueError, match="the sources are: uptime; df -h; /etc/hosts"):
        scrapman().toplevel_cmd_captest("nothing")


def test_a_missing_program_is_named(scrapman: MakeScrapMan) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        scrapman("no-such-program -x").toplevel_cmd_captest()


def test_a_command_that_does_not_end_is_killed(
    scrapman: MakeScrapMan, captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.services.scrapman.CAPTURE_SECONDS", 1)
    pid_file = tmp_path / "pid"
    hang = f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    program = tmp_path / "hang.py"
    program.write_text(hang)
    with pytest.raises(TimeoutError, match=r"hang\.py did not end within 1 s"):
        scrapman(shlex.join([sys.executable, str(program)])).toplevel_cmd_captest()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert not captures.exists()


def test_a_command_that_floods_is_cut_at_the_limit(scrapman: MakeScrapMan, captures: Path) -> None:
    scrapman("yes").toplevel_cmd_captest()
    [content] = snapshots(captures)
    assert content == "y\n" * (SNAPSHOT_BYTES // 2)


def test_a_file_is_cut_at_the_limit(scrapman: MakeScrapMan, captures: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"x" * (SNAPSHOT_BYTES + 1))
    scrapman(str(big)).toplevel_cmd_captest()
    [content] = snapshots(captures)
    assert len(content) == SNAPSHOT_BYTES


def test_only_the_newest_snapshots_are_kept_and_other_files_are_left_alone(
    scrapman: MakeScrapMan, captures: Path
) -> None:
    captures.mkdir()
    for number in range(KEPT_SNAPSHOTS + 20):
        (captures / f"20200101T000000.{number:06}Z-old.capture").write_text(f"old {number}")
    (captures / "20200101T000000.000000Z-cut-off-by-a-crash.partial").touch()
    (captures / "diary.txt").touch()
    scrapman("echo new").toplevel_cmd_captest()
    kept = snapshots(captures)
    assert len(kept) == KEPT_SNAPSHOTS
    assert (kept[0], kept[-1]) == ("old 21", "new\n")
    assert {path.name for path in captures.iterdir() if path.suffix != ".capture"} == {"diary.txt"}


def test_callers_at_the_same_time_each_get_a_whole_snapshot(scrapman: MakeScrapMan, captures: Path) -> None:
    service = scrapman("echo same")
    with ThreadPoolExecutor(8) as callers:
        shown = list(callers.map(lambda _: service.toplevel_cmd_captest(), range(40)))
    assert len(set(shown)) == 40
    assert snapshots(captures) == ["same\n"] * 40
    assert not list(captures.glob("*.partial"))


def test_startcap_takes_one_at_once_and_then_at_the_interval(scrapman: MakeScrapMan, captures: Path) -> None:
    service = scrapman("echo tick")
    with running(service):
        assert service.toplevel_cmd_scrapfreq("1") == "every 1 s"
        assert service.toplevel_cmd_startcap() == f"capturing echo tick every 1 s into {captures}"
        wait_until(lambda: len(snapshots(captures)) >= 3, "three snapshots were taken")


def test_a_shorter_interval_counts_from_now(scrapman: MakeScrapMan, captures: Path) -> None:
    service = scrapman("echo tick")
    with running(service):
        service.toplevel_cmd_scrapfreq(str(DAY))
        service.toplevel_cmd_startcap()
        wait_until(lambda: len(snapshots(captures)) == 1, "the first snapshot was taken")
        service.toplevel_cmd_scrapfreq("1")
        wait_until(lambda: len(snapshots(captures)) >= 2, "the next one was taken, long before the day is over")


def test_after_stopcap_only_planned_snapshots_are_taken(scrapman: MakeScrapMan, captures: Path) -> None:
    service = scrapman("echo tick", "echo planned")
    with running(service):
        service.toplevel_cmd_scrapfreq("1")
        service.toplevel_cmd_startcap()
        wait_until(lambda: snapshots(captures, "tick"), "the first snapshot was taken")
        assert service.toplevel_cmd_stopcap() == "stopped capturing"
        taken = len(snapshots(captures, "tick"))
        service.toplevel_cmd_capture_at("+2", "echo planned")
        wait_until(lambda: snapshots(captures, "planned"), "the planned snapshot was taken")
        assert len(snapshots(captures, "tick")) <= taken + 1  # one may have been under way


def test_planned_snapshots_are_taken_in_the_order_of_their_times(scrapman: MakeScrapMan, captures: Path) -> None:
    service = scrapman("echo later", "echo sooner")
    with running(service):
        service.toplevel_cmd_capture_at("+0.5", "echo", "later")
        service.toplevel_cmd_capture_at("+0.1", "echo", "sooner")
        wait_until(lambda: len(snapshots(captures)) == 2, "both were taken")
    assert snapshots(captures) == ["sooner\n", "later\n"]


def test_the_heartbeat_reports_the_last_snapshot_and_a_failure_does_not_end_the_loop(
    scrapman: MakeScrapMan, captures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    service = scrapman("no-such-program", "echo fine")
    assert service.cmd_get_heartbeat() == "no capture yet"
    with running(service):
        service.toplevel_cmd_startcap()
        wait_until(lambda: "failed" in service.cmd_get_heartbeat(), "the heartbeat reported the failure")
        assert "no-such-program" in service.cmd_get_heartbeat()
        service.toplevel_cmd_capture_at("+0", "echo", "fine")
        wait_until(lambda: "wrote" in service.cmd_get_heartbeat(), "the heartbeat reported the success")
    [path] = captures.iterdir()
    moment, _, outcome = service.cmd_get_heartbeat().partition(" wrote ")
    assert datetime.fromisoformat(moment) <= datetime.now()
    assert outcome == str(path)
    assert "no-such-program" in capfd.readouterr().out


def test_the_loop_ends_when_told_to_while_a_snapshot_is_a_day_away(scrapman: MakeScrapMan) -> None:
    service = scrapman("echo tomorrow")
    service.toplevel_cmd_capture_at(f"+{DAY:g}")
    with running(service):
        pass


def test_the_number_of_planned_snapshots_has_a_limit(scrapman: MakeScrapMan) -> None:
    service = scrapman("echo x")
    for _ in range(PLANNED_CAPTURES):
        service.toplevel_cmd_capture_at("+60")
    with pytest.raises(RuntimeError, match=f"{PLANNED_CAPTURES} snapshots are planned already"):
        service.toplevel_cmd_capture_at("+60")


@pytest.mark.parametrize("seconds", ["0", "0.5", "-1", "nan", "inf", "86401", "often"])
def test_an_invalid_interval_is_refused_and_changes_nothing(scrapman: MakeScrapMan, seconds: str) -> None:
    service = scrapman("echo x")
    with pytest.raises(ValueError, match=f"seconds should be a number from 1 to 86400, not '{seconds}'"):
        service.toplevel_cmd_scrapfreq(seconds)
    assert service.toplevel_cmd_scrapfreq() == "every 60 s"


@pytest.mark.parametrize(
    ("when", "delay"),
    [
        ("12:00:01", 1),
        ("12:01", 60),
        ("13:30:05", 5405),
        ("12:00", DAY),
        ("11:59", DAY - 60),
        ("00:00", DAY / 2),
        ("+0", 0),
        ("+1.5", 1.5),
        ("+86400", DAY),
    ],
)
def test_a_time_is_today_or_else_tomorrow(when: str, delay: float) -> None:
    assert seconds_until(when, NOON) == delay


@given(now=st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1)), at=st.times())
def test_any_time_of_day_comes_within_a_day_and_an_hour(now: datetime, at: time_of_day) -> None:
    delay = seconds_until(f"{at:%H:%M:%S}", now)
    assert -3600 <= delay <= DAY + 3600  # the clocks may go forward or back an hour


def test_the_night_when_the_clocks_go_forward_is_an_hour_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        assert seconds_until("12:00", datetime(2026, 3, 28, 12, 0, 0)) == timedelta(hours=23).total_seconds()
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("when", ["25:00", "12", "12:60", "12:00:00:00", "noon", ""])
def test_an_invalid_time_is_refused_with_the_valid_forms(when: str) -> None:
    with pytest.raises(ValueError, match=r"when should be HH:MM, HH:MM:SS or \+SECONDS, not "):
        seconds_until(when, NOON)


@pytest.mark.parametrize("when", ["+", "+x", "+-1", "+nan", "+inf", "+86401"])
def test_an_invalid_delay_is_refused(when: str) -> None:
    with pytest.raises(ValueError, match="seconds should be a number from 0 to 86400, not "):
        seconds_until(when, NOON)
