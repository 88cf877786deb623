"""Which refused users a box is told of, and how often."""

from __future__ import annotations

from smanager.fleet.refused import MOST_REPORTED, REPORT_SECONDS, RefusedUsers


class Stage:
    """Refused users on a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self.users = RefusedUsers(lambda: self.now)

    def told(self, user: str, method: str = "status") -> str:
        return self.users.report_on(user, method)


def test_a_flood_is_one_report_and_the_next_has_the_number() -> None:
    stage = Stage()
    assert stage.told("eve") == "eve asked for 'status', and has no role here"
    assert [stage.told("eve") for _ in range(1000)] == [""] * 1000
    stage.now += REPORT_SECONDS
    assert stage.told("eve", "stop") == (
        "eve asked for 'stop', and has no role here; 1000 requests before were refused as well"
    )
    stage.now += REPORT_SECONDS
    assert stage.told("eve") == "eve asked for 'status', and has no role here"


def test_each_user_is_told_of() -> None:
    stage = Stage()
    assert stage.told("eve")
    assert stage.told("mallory") == "mallory asked for 'status', and has no role here"


def test_invented_users_are_told_of_up_to_a_number_and_none_is_remembered_for_ever() -> None:
    stage = Stage()
    told = [stage.told(f"eve{number}") for number in range(2 * MOST_REPORTED)]
    assert sum(map(bool, told)) == MOST_REPORTED
    assert stage.told("eve0") == ""
    stage.now += REPORT_SECONDS
    assert stage.told("mallory")


def test_what_the_user_has_chosen_is_one_short_line() -> None:
    assert Stage().told("eve", "a\n\x1b[2J" + "b" * 1000) == (
        f"eve asked for 'a\\n\\x1b[2J{'b' * 54}', and has no role here"
    )
