"""Typed parameters: words and a program's values, checked by the method's annotations, and what the method is given."""

from __future__ import annotations

import enum
import inspect
import json
import shlex
import string
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.commands.arguments import accept, bind
from smanager.commands.docstrings import parameter_docs, without_parameters
from smanager.commands.jsonable import jsonable
from smanager.commands.record import CommandError
from smanager.commands.signatures import describe, signature_of
from smanager.service import SService
from smanager.shells.pages import command_help


class Colour(enum.Enum):
    RED = "#f00"
    GREEN = "#0f0"
    DARK_RED = "#800"


class Swapped(enum.Enum):
    ON = "off"
    OFF = "on"


class Typed(SService):
    class Inner(enum.Enum):
        ONE = 1

    def cmd_named(
        self,
        one: "Inner",  # noqa: UP037 - as authors write them, also below
        two: Optional["Colour"],  # noqa: UP037, UP045
        three: list["Colour"],  # noqa: UP037
        *,
        mode: Literal["a", "b", None] = None,
    ) -> None: ...

    def cmd_numbers(self, count: int, share: float = 0.5, exact: bool = False) -> None: ...

    def cmd_options(
        self,
        *,
        dry_run: bool = False,
        wait: bool = True,
        level: int = 3,
        tags: list[str] | None = None,
        sure: bool | None = None,
    ) -> None: ...

    def cmd_kept(
        self, in_: str, *, from_: str = "", class_: str = "", to_: int = 0, to: int = 0, from_x: bool = True
    ) -> None: ...

    def cmd_mixed(self, a: str, b: str = "bb", *rest: str, n: int = 1, f: float = 0.0, deep: bool = False) -> None: ...

    def cmd_lists(self, sources: list[str], target: str, *, maybe: bool | None = None) -> None: ...

    def cmd_sure(self, *, force: bool, dry_run: bool | None = None) -> None:
        """Is sure

        Args:
            force: whatever stands against it
        """

    def cmd_choices(self, colour: Colour, mode: Literal["fast", "slow", 3] = "fast") -> None: ...

    def cmd_swap(self, state: Swapped) -> None: ...

    def cmd_defaults(
        self,
        first: timedelta = "5m",  # type: ignore[assignment]  # as authors write it
        *,
        spans: list[timedelta] = [timedelta(minutes=1), timedelta(hours=1)],  # noqa: B006
        colours: list[Colour] = [Colour.RED, Colour.GREEN],  # noqa: B006
    ) -> None: ...

    def cmd_times(self, when: datetime, day: date, at: time, span: timedelta) -> None: ...

    def cmd_files(self, target: Path, sources: list[Path]) -> None: ...

    def cmd_maybe(self, limit: int | None = None, note: Annotated[str, "any"] = "") -> None: ...

    def cmd_rest(self, first: int, *others: int) -> None: ...

    def cmd_unknown(self, thing: "NoSuchType", other: dict[str, int]) -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037 - as authors write them

    def cmd_told(self, outlet: str, *, seconds: timedelta = timedelta(seconds=5)) -> None:
        """Switches an outlet off and on

        It takes a while.

        Args:
            outlet: which one,
                by its number
            seconds (timedelta): how long it
                stays off

        Returns:
            nothing
        """

    def cmd_numpy(self, outlet: str) -> None:
        """Switches

        Parameters
        ----------
        outlet : str
            which one,
            by its number
        """


def bound(method: str, words: str) -> tuple[list[Any], dict[str, Any]]:
    """What the method is called with."""
    name = f"cmd_{method}"
    arguments = bind(describe(Typed, name), method, words)
    travelled = json.loads(json.dumps(arguments))
    return signature_of(Typed, name).revive(*travelled)


@pytest.mark.parametrize(
    ("method", "words", "expected"),
    [
        ("numbers", "5", ([5], {})),
        ("numbers", "-5 1e3 yes", ([-5, 1000.0, True], {})),
        ("options", "", ([], {})),
        ("options", "--dry-run --no-wait --level 7", ([], {"dry_run": True, "wait": False, "level": 7})),
        ("options", "--dry_run --level=-1", ([], {"dry_run": True, "level": -1})),
        ("options", "--tags a --tags b --sure", ([], {"tags": ["a", "b"], "sure": True})),
        ("options", "--no-sure", ([], {"sure": False})),
        ("options", "--dry-run=true --no-wait=yes", ([], {"dry_run": True, "wait": False})),
        ("options", "--dry-run=off --no-wait=false", ([], {"dry_run": False, "wait": True})),
        ("options", "--wait --no-dry-run --sure=none", ([], {"wait": True, "dry_run": False, "sure": None})),
        ("kept", "--from a --class b --to_ 1 --to 2 x", (["x"], {"from_": "a", "class_": "b", "to_": 1, "to": 2})),
        ("kept", "--from_=a --no-from-x y", (["y"], {"from_": "a", "from_x": False})),
        ("mixed", "a --n 2 b", (["a", "b"], {"n": 2})),
        ("mixed", "--n 2 a --deep b c --f -1e5 d", (["a", "b", "c", "d"], {"n": 2, "deep": True, "f": -1e5})),
        ("mixed", "-1e5 -.5", (["-1e5", "-.5"], {})),
        ("mixed", "a -- --n -- -x", (["a", "--n", "--", "-x"], {})),
        ("mixed", "-- a b -- c", (["a", "b", "--", "c"], {})),
        ("lists", "a b --no-maybe c", ([["a", "b"], "c"], {"maybe": False})),
        ("lists", "--maybe a b", ([["a"], "b"], {"maybe": True})),
        ("sure", "--no-force --dry-run", ([], {"force": False, "dry_run": True})),
        ("choices", "red", ([Colour.RED], {})),
        (
            "named",
            "one red red green --mode b",
            ([Typed.Inner.ONE, Colour.RED, [Colour.RED, Colour.GREEN]], {"mode": "b"}),
        ),
        ("choices", "dark-red", ([Colour.DARK_RED], {})),
        ("swap", "on", ([Swapped.ON], {})),
        ("choices", "#0F0 3", ([Colour.GREEN, 3], {})),
        (
            "times",
            "2026-11-25T13:45 2026-11-25 13:45 1h30m",
            ([datetime(2026, 11, 25, 13, 45), date(2026, 11, 25), time(13, 45), timedelta(hours=1.5)], {}),
        ),
        ("files", "~/a ~nobody-has/this", ([Path.home() / "a", [Path("~nobody-has/this")]], {})),
        ("files", "to a b", ([Path("to"), [Path("a"), Path("b")]], {})),
        ("maybe", "", ([], {})),
        ("maybe", "3 x", ([3, "x"], {})),
        ("rest", "1 2 3", ([1, 2, 3], {})),
        ("rest", "1", ([1], {})),
        ("unknown", "a '{\"b\": 2}'", (["a", {"b": 2}], {})),
        ("told", "-- --seconds", (["--seconds"], {})),
        ("told", "a --seconds 90", (["a"], {"seconds": timedelta(seconds=90)})),
    ],
)
def test_words_become_what_the_annotations_say(method: str, words: str, expected: object) -> None:
    assert bound(method, words) == expected


@pytest.mark.parametrize(
    ("method", "words", "complaint"),
    [
        ("numbers", "five", "count: 'five' should be a whole number; usage: numbers count [share] [exact]"),
        ("numbers", "1 nan", "share: 'nan' should be a number"),
        ("numbers", "1 2 maybe", "exact: 'maybe' should be one of true, yes, on, 1, false, no, off, 0"),
        ("numbers", "", "too few arguments: count missing"),
        ("numbers", "1 2 no 4", "too many arguments: 4"),
        ("numbers", "-1e", "count: '-1e' should be a whole number"),
        ("mixed", "a --n --deep", "--n: expected one argument"),
        ("mixed", "a --deep=maybe", "--deep: 'maybe' should be one of true, yes, on, 1, false, no, off, 0"),
        ("lists", "a", "too few arguments: target missing; usage: lists [--maybe | --no-maybe] sources [sources ...] "),
        ("lists", "--maybe false", "too few arguments: target missing"),
        ("sure", "", "too few arguments: --force/--no-force missing; usage: sure --force | --no-force ["),
        ("choices", "", "too few arguments: colour missing"),
        ("times", "2026-11-25 2026-11-25 13:45 9999999999d", "span: '9999999999d' should be a time span"),
        (
            "choices",
            "blue",
            "colour: 'blue' should be one of red, green, dark_red; usage: choices {red,green,dark_red} [{fast,slow,3}]",
        ),
        ("choices", "red Fast", "mode: 'Fast' should be one of fast, slow, 3"),
        ("times", "yesterday", "when: 'yesterday' should be a datetime such as 2026-11-25T13:45"),
        ("options", "--levle 3", "unknown option --levle; did you mean --level?"),
        ("options", "--level", "--level: expected one argument"),
        ("told", "a --seconds soon", "--seconds: 'soon' should be a time span such as 90s, 1h30m, or a number of"),
    ],
)
def test_what_does_not_fit_is_said_by_parameter_value_and_remedy(method: str, words: str, complaint: str) -> None:
    with pytest.raises(CommandError) as caught:
        bound(method, words)
    assert str(caught.value).startswith(f"{method}: {complaint}")


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("numbers", [5, 1, True], ([5, 1.0, True], {})),
        ("numbers", {"count": 5, "exact": True}, ([5], {"exact": True})),
        ("options", {"tags": ["a"], "sure": None}, ([], {"tags": ["a"], "sure": None})),
        ("choices", ["RED", "slow"], (["RED", "slow"], {})),
        ("times", ["2026-11-25 13:45", "2026-11-25", "13:45", 90], None),
        ("files", ["to", ["a", "b"]], (["to", ["a", "b"]], {})),
        ("rest", {"first": 1, "others": [2, 3]}, ([1, 2, 3], {})),
        ("rest", [1, 2, 3], ([1, 2, 3], {})),
        ("maybe", [None], ([None], {})),
        ("named", {"one": "ONE", "two": None, "three": [], "mode": None}, (["ONE", None, []], {"mode": None})),
        ("maybe", {"note": "x"}, ([], {"note": "x"})),
        ("kept", {"in": "x", "from": "a", "class_": "b"}, (["x"], {"from_": "a", "class_": "b"})),
        ("numbers", [5.0], ([5], {})),
    ],
)
def test_a_programs_values_are_arguments(method: str, params: object, expected: object) -> None:
    arguments = accept(describe(Typed, f"cmd_{method}"), method, params)
    assert expected is None or arguments == expected


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("method", "params", "complaint"),
    [
        ("numbers", ["5"], 'count is "5", and should be a whole number'),
        ("numbers", [True], "count is true, and should be a whole number"),
        ("numbers", {"cuont": 5}, "unknown parameter cuont; did you mean count?"),
        ("numbers", {}, "too few arguments: count missing"),
        ("numbers", [1, 2, False, 4], "too many arguments: 1 more than parameters"),
        ("numbers", 5, "params should be a list or an object"),
        ("options", {"tags": "a"}, 'tags is "a", and should be a list'),
        ("numbers", [nested(10_000)], f"count is {'[' * 60}, and should be a whole number"),
        ("rest", {"others": [1]}, "too few arguments: first missing"),
        ("choices", ["blue"], 'colour is "blue", and should be one of red, green, dark_red'),
    ],
)
def test_values_that_do_not_fit_are_refused(method: str, params: object, complaint: str) -> None:
    with pytest.raises(CommandError) as caught:
        accept(describe(Typed, f"cmd_{method}"), method, params)
    assert str(caught.value) == f"{method}: {complaint}"


# Any argument list that is built from a signature binds back to the same values.

plain = st.text(string.ascii_letters + string.digits + "-_.#", min_size=1)
values: Mapping[str, st.SearchStrategy[Any]] = {
    "count": st.integers(),
    "share": st.floats(allow_nan=False, allow_infinity=False),
    "exact": st.booleans(),
    "dry_run": st.booleans(),
    "level": st.integers(),
    "tags": st.lists(plain, min_size=1),
}


class Built(SService):
    def cmd_all(
        self,
        count: int,
        share: float,
        exact: bool,
        *,
        dry_run: bool = False,
        level: int = 0,
        tags: list[str] | None = None,
    ) -> None: ...


@given(st.fixed_dictionaries({name: strategy for name, strategy in values.items() if name != "dry_run"}), st.booleans())
def test_arguments_survive_being_words(drawn: dict[str, Any], dry_run: bool) -> None:
    words = [f"--level={drawn['level']}", *(f"--tags={tag}" for tag in drawn["tags"])]
    words += ["--dry-run"] * dry_run
    words += ["--", str(drawn["count"]), repr(drawn["share"]), str(drawn["exact"])]
    positions, options = bind(describe(Built, "cmd_all"), "all", shlex.join(words))
    assert positions == [drawn["count"], drawn["share"], drawn["exact"]]
    assert options == {"level": drawn["level"], "tags": drawn["tags"], **({"dry_run": True} if dry_run else {})}


@given(st.fixed_dictionaries(dict(values)))
def test_arguments_survive_being_a_programs_values(drawn: dict[str, Any]) -> None:
    command = describe(Built, "cmd_all")
    positions, options = accept(command, "all", json.loads(json.dumps(drawn)))
    assert positions == [drawn["count"], drawn["share"], drawn["exact"]]
    assert options == {name: drawn[name] for name in ("dry_run", "level", "tags")}


# Help.


def page(method: str) -> str:
    return command_help(f"typed {method}", describe(Typed, f"cmd_{method}"))


def test_help_shows_each_parameter_with_its_type_default_and_line() -> None:
    assert page("kept").startswith(
        "usage: typed kept [--from FROM] [--class CLASS] [--to TO] [--to TO] [--no-from-x] in\n"
    )
    assert page("told") == (
        "usage: typed told [--seconds SECONDS] outlet\n"
        "\n"
        "Switches an outlet off and on\n\nIt takes a while.\n\nReturns:\n    nothing\n"
        "\n"
        "  outlet     text: which one, by its number\n"
        "  --seconds  time span, default 5s: how long it stays off\n"
        "\n"
    )
    assert "  --no-wait          flag\n  --level            int, default 3\n" in page("options")
    assert "  first      time span, default 5m\n  --spans    list of time span, default 60s 3600s\n" in page("defaults")
    assert "  --colours  list of one of red, green, dark_red, default red green\n" in page("defaults")
    assert "  --force, --no-force      flag: whatever stands against it\n  --dry-run, --no-dry-run  fl" in page("sure")
    assert "  colour  one of red, green, dark_red\n  mode    one of fast, slow, 3, default fast\n" in page("choices")


def test_docstrings_in_numpys_style_are_read_too() -> None:
    doc = inspect.getdoc(Typed.cmd_numpy) or ""
    assert parameter_docs(doc) == {"outlet": "which one, by its number"}
    assert without_parameters(doc) == "Switches"


def test_the_forms_that_entries_and_sections_have_in_docstrings() -> None:
    google = "Does\n\nArgs:\n    a, b (tuple(int, int), optional): both\n    *rest: more\nReturns:\n    it"
    assert parameter_docs(google) == {"a": "both", "b": "both", "rest": "more"}
    assert without_parameters(google) == "Does\n\nReturns:\n    it"
    numpy = "Does\n\nParameters\n----------\nx, y : int\n    both\n\n    of them\nz\n    last\n"
    for end in ("Returns\n-------\nint\n    it", "\nSee Also\n--------\nother"):
        assert parameter_docs(numpy + end) == {"x": "both of them", "y": "both of them", "z": "last"}
        assert without_parameters(numpy + end) == f"Does\n\n{end.strip()}"


def test_an_option_that_every_command_has_can_be_no_commands_own() -> None:
    class Own(SService):
        def cmd_get(self, *, json: bool = False) -> None: ...

        def cmd_put(self, json: str) -> None: ...

    with pytest.raises(CommandError, match="--json is an option of every command; choose another name"):
        describe(Own, "cmd_get")
    assert describe(Own, "cmd_put").parameters[0].name == "json"


def test_a_method_without_annotations_has_no_page_of_parameters() -> None:
    class Seed(SService):
        def cmd_greet(self, name, *words):  # type: ignore[no-untyped-def]  # as the seed writes them
            """Greets"""

    assert command_help("seed greet", describe(Seed, "cmd_greet")) == "usage: seed greet name [words ...]\n\nGreets\n\n"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.binary(), st.lists, max_leaves=5))
def test_whatever_a_method_returns_can_be_said_in_json(value: object) -> None:
    json.dumps(jsonable(value), allow_nan=False)
