"""Tables of schedules: what is made of them, and what is said about a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smanager.config.checks import SettingsError
from smanager.config.file import read_file
from smanager.config.schedule import FILE, schedule_of

SPAN = 'should be a time span from "1s", such as "15m", or a number of seconds'
CRON = 'should be five fields, such as "30 2 * * 1-5"'


@pytest.mark.parametrize(
    ("table", "when", "seconds"),
    [
        ({"every": "15m"}, "every 15m", 900),
        ({"every": "1h30m"}, "every 1h30m", 5400),
        ({"every": 90}, "every 90 s", 90),
        ({"every": 1.5}, "every 1.5 s", 1.5),
        ({"cron": "30 2 * * 1-5"}, "cron 30 2 * * 1-5", 0),
        ({"cron": "@daily", "timezone": "Asia/Tokyo"}, "cron @daily Asia/Tokyo", 0),
        ({"at": "02:30"}, "at 02:30", 0),
    ],
)
def test_a_table_has_all_settings_and_its_time_in_words(table: dict[str, object], when: str, seconds: float) -> None:
    made = schedule_of("night", {"run": " backup full --verbose ", **table})
    assert (made["run"], made["when"], made["every"]) == ("backup full --verbose", when, seconds)
    rest = {"jitter": 0, "missed": "skip", "overlap": "skip", "timeout": 0, "roles": ("operate",), "enabled": True}
    assert {key: made[key] for key in rest} == rest


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ({"at": "2:30"}, 'run is missing; it should be a line of commands, such as "status"'),
        ({"run": "a"}, "its time is missing; it should have exactly one of every, cron and at"),
        (
            {"run": "a", "at": "2:30", "every": 1},
            "every and at are given; it should have exactly one of",
        ),
        ({"run": "a", "every": 1, "at": "2:30", "cron": "@daily"}, "every, cron and at are given; it should have"),
        ({"run": "", "at": "2:30"}, "run is '', and should be a line of commands"),
        ({"run": "a\nb", "at": "2:30"}, r"run is 'a\nb', and should be a line of commands"),
        ({"run": ["a"], "at": "2:30"}, "run is ['a'], and should be a line of commands"),
        ({"run": "a", "every": "soon"}, f"every is 'soon', and {SPAN}"),
        ({"run": "a", "every": 0}, f"every is 0, and {SPAN}"),
        ({"run": "a", "every": "0.5s"}, f"every is '0.5s', and {SPAN}"),
        ({"run": "a", "every": "-5m"}, f"every is '-5m', and {SPAN}"),
        ({"run": "a", "every": True}, f"every is True, and {SPAN}"),
        ({"run": "a", "every": "400d"}, f"every is '400d', and {SPAN}"),
        ({"run": "a", "every": float("nan")}, f"every is nan, and {SPAN}"),
        ({"run": "a", "cron": "60 * * * *"}, f"cron is '60 * * * *', and {CRON}"),
        ({"run": "a", "cron": "60 * * * *"}, "\"@daily\"; the minute '60' should be from 0 to 59"),
        ({"run": "a", "cron": 5}, f"cron is 5, and {CRON}"),
        ({"run": "a", "at": "25:00"}, "at is '25:00', and should be a time of the day such as \"02:30\""),
        (
            {"run": "a", "at": "2:30", "timezone": "Mars"},
            "timezone is 'Mars', and should be a time zone such as",
        ),
        ({"run": "a", "every": "1m", "timezone": "UTC"}, "timezone is for cron and at, and this schedule has every"),
        ({"run": "a", "every": "1m", "jitter": "1m"}, "jitter is '1m', and should be less than every, '1m'"),
        ({"run": "a", "at": "2:30", "jitter": "-1s"}, "jitter is '-1s', and should be a time span such as \"90s\""),
        ({"run": "a", "at": "2:30", "missed": "maybe"}, 'missed is \'maybe\', and should be one of "run", "skip"'),
        ({"run": "a", "at": "2:30", "overlap": 1}, 'overlap is 1, and should be one of "skip", "queue", "kill"'),
        ({"run": "a", "at": "2:30", "timeout": 0}, f"timeout is 0, and {SPAN}"),
        ({"run": "a", "at": "2:30", "roles": "view"}, "roles is 'view', and should be a list of roles such as"),
        ({"run": "a", "at": "2:30", "roles": []}, "roles is [], and should be a list of roles such as"),
        ({"run": "a", "at": "2:30", "enabled": 1}, "enabled is 1, and should be true or false"),
        ({"run": "a", "at": "2:30", "evry": 1}, "there is no setting 'evry'; did you mean every?"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(table: dict[str, Any], wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        schedule_of("night", table)
    assert wrong in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "-x", "a\nb"])
def test_a_name_that_cannot_be_typed_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="and should have one of printable characters"):
        schedule_of(name, {"run": "a", "at": "2:30"})


def test_the_service_of_schedules_comes_with_the_first_and_has_their_roles(tmp_path: Path) -> None:
    (tmp_path / "smanager.toml").write_text(
        '[services.schedules]\nlog_files = 2\n[schedules.night]\nrun = "a"\nat = "2:30"\nroles = ["view"]\n'
        '[schedules.day]\nrun = "b"\nat = "14:30"\nroles = ["nobody"]\n[schedules.odd]\nrun = "c"\n[roles.x]\n'
    )
    file = read_file(tmp_path / "smanager.toml")
    services = file.services([tmp_path])
    assert services.shipped == (FILE,)
    settings = services.settings["schedules"]
    assert (settings["log_files"], list(settings["options"]["schedules"])) == (2, ["night", "day"])
    assert settings["roles_as"] == {"night": ["view"], "day": ["nobody"]}
    path = tmp_path / "smanager.toml"
    assert file.problems == [
        f"{path}: [schedules.odd] its time is missing; it should have exactly one of every, cron and at",
        f"{path}: [schedules.day] there is no role nobody; there are: admin, operate, view, x",
    ]
