"""What a shipped service remembers: written whole, read back, and told where that fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from smanager.system import memory as module
from smanager.system.memory import Memory, Saving
from tests.conftest import SECONDS


def test_what_was_written_is_read(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "service-schedules", "schedules")
    assert memory.read() == {}
    assert memory.write({"salt": "x", "schedules": {}}) == ""
    assert memory.read() == {"format": 1, "salt": "x", "schedules": {}}
    assert (tmp_path / "service-schedules" / "schedules.json").stat().st_mode & 0o777 == 0o600


def test_without_a_directory_nothing_is_remembered() -> None:
    memory = Memory(None, "schedules")
    assert memory.write({"salt": "x"}) == "the manager has no state directory"
    assert memory.read() == {}


def test_what_cannot_be_written_is_returned_each_time_and_printed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    memory = Memory(tmp_path / "file", "schedules")
    problems = {memory.write({}) for _ in range(3)}
    assert len(problems) == 1
    assert f"{tmp_path / 'file' / 'schedules.json'} cannot be written: " in problems.pop()
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b"[]", b'{"format": 2}', b"[" * 100_000])
def test_a_damaged_file_is_told_and_counts_as_none(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "schedules.json").write_bytes(damage)
    assert Memory(tmp_path, "schedules").read() == {}
    assert "what is remembered of the schedules cannot be read" in capsys.readouterr().out


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").write_text('{"format": 1}')
    (tmp_path / "schedules.json").symlink_to(tmp_path / "elsewhere")
    assert Memory(tmp_path, "schedules").read() == {}
    assert "it is a symbolic link" in capsys.readouterr().out


def test_what_changes_together_is_saved_together_and_no_later_than_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    state, saved = [0], list[int]()
    saving = Saving(lambda: saved.append(state[0]))

    async def changed(number: int) -> None:
        state[0] = number
        await saving.done()
        assert saved[-1] >= number

    async def story() -> None:
        await asyncio.gather(*map(changed, range(1000)))
        assert saved == [999]
        monkeypatch.setattr(module, "REST", 1e12)
        monkeypatch.setattr(module, "LONGEST_REST", SECONDS)
        await changed(1000)  # as long as the next write is not put off
        waiting = asyncio.create_task(changed(1001))
        assert not (await asyncio.wait([waiting], timeout=0.01))[0]
        saving.end()
        assert saved == [999, 1000, 1001]
        await asyncio.wait([waiting])

    asyncio.run(asyncio.wait_for(story(), SECONDS))
