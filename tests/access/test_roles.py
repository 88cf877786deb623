"""Who may do what: patterns and names in whichever spelling, and patterns that match nothing."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.access.roles import Role, Roles, covers, pattern_in_one_spelling, without_effect
from smanager.commands.record import Command
from smanager.terminal.text import one_spelling

STATUS = Command("status", "", role="view")
SHUT_DOWN = Command("shut_down", "", aliases=("go_down",))
FORMAT = Command("format_all", "", role="night-shift")
NAMES = st.text("ab_-.", max_size=8)
PATTERNS = st.text("ab_-.*?[]!", max_size=8)


def roles(**given: Role) -> Roles:
    return Roles({role.name: role for role in given.values()}, [STATUS])


@pytest.mark.parametrize(
    "pattern",
    ["web-1.shut-down", "web_1.shut_down", "web-1.shut_down", "*.go-down", "web[-.]1.*", "web?1.shut[_x]down"],
)
def test_a_pattern_is_for_a_command_in_any_spelling(pattern: str) -> None:
    made = roles(denied=Role("denied", deny=(pattern,)), allowed=Role("allowed", allow=(pattern,)))
    for service in ("web-1", "web_1"):
        assert not made.permissions(["admin", "denied"]).allow_command(service, SHUT_DOWN)
        assert made.permissions(["allowed"]).allow_command(service, SHUT_DOWN)


def test_a_role_for_one_service_is_for_it_in_any_spelling() -> None:
    made = roles(some=Role("some", allow=("status my-app",)))
    assert made.permissions(["some"]).allow_on(STATUS, "my_app")
    assert made.permissions(["some"]).allow_on(STATUS, "my-app")


@pytest.mark.parametrize("name", ["night-shift", "night_shift"])
def test_a_role_is_one_in_any_spelling(name: str) -> None:
    made = roles(shift=Role(name, deny=("*.shut-down",)))
    for asked in ("night-shift", "night_shift"):
        permissions = made.permissions([asked, "operate"])
        assert permissions.allow_command("web", FORMAT)
        assert not permissions.allow_command("web", SHUT_DOWN)
        assert not made.permissions(["operate"], limits=[asked]).allow_command("web", SHUT_DOWN)
        assert covers([asked], name)
        made.renew({name: Role(name)})
        assert permissions.allow_command("web", SHUT_DOWN)
        made.renew({name: Role(name, deny=("*.shut-down",))})


@given(PATTERNS, NAMES)
def test_what_matches_a_name_still_matches_it(pattern: str, name: str) -> None:
    wanted = pattern_in_one_spelling(pattern)
    if "!" not in pattern and fnmatch.fnmatchcase(name, pattern):
        assert fnmatch.fnmatchcase(one_spelling(name), wanted)
    if not fnmatch.fnmatchcase(one_spelling(name), wanted):
        return
    assert "!" in pattern or any(fnmatch.fnmatchcase(one, pattern) for one in spellings(name))


def spellings(name: str) -> list[str]:
    found = [""]
    for letter in name:
        found = [one + each for one in found for each in ("-_" if letter in "-_" else letter)]
    return found


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("shut-down", "shut_down"),
        ("[a-c]-*", "[a-c]_*"),  # a range stays one
        ("x[-.]", "x[-._]"),
        ("x[.-]", "x[._]"),
        ("x[!-]y", "x[!_]y"),
        ("x[ -/]", "x[ -/_]"),
        ("x[!a-c]", "x[!a-c]"),
        ("x[]-]", "x[]_]"),
        ("x[!]-", "x[!]_"),
        ("x[]-", "x[]_"),
        ("[a-", "[a_"),
    ],
)
def test_sets_of_characters_keep_their_meaning(pattern: str, written: str) -> None:
    assert pattern_in_one_spelling(pattern) == written


def test_patterns_without_effect_are_found() -> None:
    patterns = ["web.shut-down", "web.*", "status", "web.shut-dwn", "*.shut_down", "logs wbe", "web.shut-dwn"]
    found = list(without_effect(patterns, ["web.shut_down", "status", "logs web"]))
    assert found == ["web.shut-dwn", "logs wbe"]
