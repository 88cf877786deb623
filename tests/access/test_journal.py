"""The audit journal, read from its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smanager.access import journal
from smanager.access.journal import last_entries


def line(second: int, event: str, **facts: Any) -> str:
    return json.dumps({"when": f"1970-01-01T00:00:{second:02}.000Z", "event": event, **facts}) + "\n"


def read(files: list[Path], count: int = 100, since: float = 0.0, user: str = "") -> list[dict[str, Any]]:
    return last_entries(files, count, since, lambda entry: not user or entry.get("user") == user)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    newer, older = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    older.write_text(
        line(1, "manager started")
        + line(2, "command", id=1, user="anna", name="stop")
        + line(3, "command", id=2, user="bert", name="start")
        + line(4, "end", id=2, seconds=0.5, outcome="done")
    )
    newer.write_text(
        line(5, "end", id=1, seconds=3.0, outcome="no such service")
        + "{cut\n"
        + line(6, "manager started")
        + line(7, "command", id=1, user="anna", name="status")
    )
    return [newer, older, tmp_path / "audit.jsonl.2"]


def test_rotated_files_are_read_too_and_commands_have_their_outcomes(files: list[Path]) -> None:
    entries = read(files)
    assert [(entry["event"], entry.get("name"), entry.get("outcome")) for entry in entries] == [
        ("manager started", None, None),
        ("command", "stop", "no such service"),
        ("command", "start", "done"),
        ("manager started", None, None),
        ("command", "status", None),
    ]


def test_the_last_ones_are_meant_and_may_be_of_one_user_or_since_a_moment(files: list[Path]) -> None:
    assert [entry["when"][17:19] for entry in read(files, count=2)] == ["06", "07"]
    assert [entry["name"] for entry in read(files, user="anna")] == ["stop", "status"]
    assert [entry["name"] for entry in read(files, count=1, user="bert")] == ["start"]
    assert [entry["when"][17:19] for entry in read(files, since=3.0)] == ["03", "06", "07"]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_lines_are_whole_whatever_is_read_at_a_time(files: list[Path], size: int, monkeypatch: Any) -> None:
    expected = read(files)
    monkeypatch.setattr(journal, "READ_SIZE", size)
    assert read(files) == expected


def test_without_a_file_there_are_no_entries_and_a_link_is_not_followed(tmp_path: Path, files: list[Path]) -> None:
    assert read([tmp_path / "none"]) == []
    (tmp_path / "link").symlink_to(files[0])
    with pytest.raises(OSError, match="symbolic link"):
        read([tmp_path / "link"])
