"""Which runs of commands the configuration keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from smanager.config.file import ConfigFile
from smanager.config.runs import KEYS, RunSettings


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("backup.full", True),
        ("backup.list", False),
        ("web.check", False),
        ("web.deploy", None),
        ("restart", True),
        ("stop", None),
        ("night_watch.look", True),
        ("backup", None),
    ],
)
def test_patterns_choose_and_never_wins(name: str, choice: bool | None) -> None:
    settings = RunSettings(always=("backup.*", "restart", "night-watch.*"), never=("*.list", "web.check"))
    assert settings.choice(name) is choice


def test_without_patterns_it_depends_on_the_run() -> None:
    assert RunSettings().choice("backup.full") is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"always": "backup"}, "always is 'backup', and should be a list of commands, such as"),
        ({"output": 10}, "output is 10, and should be a whole number from 1000 to 4000000"),
        ({"most": 0}, "most is 0, and should be a whole number from 1"),
        ({"longer_than": -1}, "longer_than is -1, and should be a number of seconds"),
        ({"sise": 1}, "there is no setting 'sise'; did you mean size?"),
    ],
)
def test_a_wrong_table_is_one_problem_that_says_what_would_be_right(given: dict[str, object], problem: str) -> None:
    file = ConfigFile(Path("smanager.toml"), {"runs": given})
    assert file.services([Path()]).runs == RunSettings()
    assert file.problems[0].startswith(f"smanager.toml: [runs] {problem}")


def test_the_table_is_read(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "smanager.toml", {"runs": {"most": 5, "longer_than": 0}})
    assert file.services([tmp_path]).runs == RunSettings(most=5, longer_than=0)
    assert {*KEYS} == {"always", "never", "longer_than", "output", "most", "size"}
