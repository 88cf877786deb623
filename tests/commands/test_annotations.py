"""Annotations of all kinds: what callers type and programs send, and the objects that methods receive."""

from __future__ import annotations

import enum
import json
from collections import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from typing import (  # noqa: UP035  # as authors write them
    Annotated,
    Any,
    Iterable,
    List,
    Literal,
    Mapping,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Sequence,
    TypedDict,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.commands.arguments import accept, bind, schema
from smanager.commands.record import Command, CommandError, Parameter
from smanager.commands.shapes import conforms, wording
from smanager.commands.signatures import signature_of
from smanager.hosts.child.loader import described
from smanager.service import SService
from smanager.shells.pages import parameter_help

Port = NewType("Port", int)


class Colour(enum.Enum):
    RED = 1


@dataclass
class Point:
    x: int
    y: float = 0.5
    made: date | None = None
    tags: list[str] = field(default_factory=list)


class Node(NamedTuple):
    name: str
    below: list[Node] = []  # noqa: RUF012  # a tuple's field


class Options(TypedDict):
    path: Path
    depth: NotRequired[int]


class Given(SService):
    def cmd_dict(self, value: dict[str, int]) -> None: ...
    def cmd_mapping(self, value: Mapping[int, list[float]]) -> None: ...
    def cmd_by_colour(self, value: dict[Colour, int]) -> None: ...
    def cmd_any_dict(self, value: dict) -> None: ...  # type: ignore[type-arg]
    def cmd_pair(self, value: tuple[int, str]) -> None: ...
    def cmd_tuple(self, value: tuple[int, ...]) -> None: ...
    def cmd_bare_tuple(self, value: tuple) -> None: ...  # type: ignore[type-arg]
    def cmd_set(self, value: set[Colour]) -> None: ...
    def cmd_frozen(self, value: frozenset[int]) -> None: ...
    def cmd_sequence(self, value: Sequence[timedelta]) -> None: ...
    def cmd_iterable(self, value: Iterable[int]) -> None: ...
    def cmd_abstract(self, value: abc.Set[int]) -> None: ...
    def cmd_old_list(self, value: List[int]) -> None: ...  # noqa: UP006
    def cmd_lists(self, value: list[list[int]]) -> None: ...
    def cmd_maybes(self, value: list[int | None]) -> None: ...
    def cmd_either(self, value: int | str) -> None: ...
    def cmd_text_first(self, value: str | int | None) -> None: ...
    def cmd_number(self, value: int | float) -> None: ...
    def cmd_moment(self, value: date | int) -> None: ...
    def cmd_any(self, value: Any) -> None: ...
    def cmd_object(self, value: object) -> None: ...
    def cmd_new(self, value: Port) -> None: ...
    def cmd_annotated(self, value: Annotated[dict[str, Port], "any"]) -> None: ...
    def cmd_optional(self, value: Optional[int] = 10) -> None: ...  # noqa: UP045
    def cmd_switch(self, value: bool | None = True) -> None: ...
    def cmd_point(self, value: Point) -> None: ...
    def cmd_node(self, value: Node) -> None: ...
    def cmd_options(self, value: Options) -> None: ...
    def cmd_points(self, value: list[Point]) -> None: ...
    def cmd_mode(self, value: Literal["on", True, 5]) -> None: ...
    def cmd_rest(self, *value: int | None) -> None: ...


class Unsupported(SService):
    def cmd_bytes(self, value: bytes) -> None: ...
    def cmd_call(self, value: Callable[[], int]) -> None: ...
    def cmd_inside(self, value: dict[str, complex]) -> None: ...
    def cmd_keys(self, value: dict[tuple[int, int], int]) -> None: ...
    def cmd_field(self, value: list[Odd]) -> None: ...
    def cmd_member(self, value: Literal[Colour.RED]) -> None: ...
    def cmd_nothing(self, value: Literal[None]) -> None: ...
    def cmd_endless(self, value: Endless) -> None: ...
    def cmd_none(self, value: None) -> None: ...
    def cmd_empty(self, value: Empty) -> None: ...


Endless = dict[str, "Endless"]


class Empty(enum.Enum): ...


@dataclass
class Odd:
    raw: bytearray
    unknown: NoSuchType  # type: ignore[name-defined]  # noqa: F821


COMMANDS = {data["name"]: Command.from_data(json.loads(json.dumps(data))) for data in described(Given)[0]["commands"]}
"""The records as the manager has them."""

signature = cache(partial(signature_of, Given))


def command(name: str) -> Command:
    return COMMANDS[name]


def received(name: str, bound: tuple[list[Any], dict[str, Any]]) -> Any:
    positions, _ = signature(f"cmd_{name}").revive(*json.loads(json.dumps(bound)))
    return positions if name == "rest" else positions[0]


CASES: list[tuple[str, str, list[Any], Any]] = [
    ("dict", """'{"a": 1, "b": 2.0}'""", [{"a": 1, "b": 2.0}], {"a": 1, "b": 2}),
    ("mapping", """'{"1": [2]}'""", [{"1": [2]}], {1: [2.0]}),
    ("by_colour", "'{\"red\": 1}'", [{"RED": 1}], {Colour.RED: 1}),
    ("any_dict", "'{\"a\": [null]}'", [{"a": [None]}], {"a": [None]}),
    ("pair", """'[1, "a"]'""", [[1, "a"]], (1, "a")),
    ("tuple", "1 2 3", [[1, 2.0, 3]], (1, 2, 3)),
    ("bare_tuple", "1 b", [["1", "b"]], ("1", "b")),
    ("set", "red red", [["RED"]], {Colour.RED}),
    ("frozen", "1 2 1", [[1, 2]], frozenset({1, 2})),
    ("sequence", "5s", [[5]], [timedelta(seconds=5)]),
    ("iterable", "1 2", [[1, 2]], [1, 2]),
    ("abstract", "1 1", [[1]], {1}),
    ("old_list", "1 2", [[1, 2]], [1, 2]),
    ("lists", "[1,2] [3]", [[[1, 2], [3]]], [[1, 2], [3]]),
    ("maybes", "1 null", [[1, None]], [1, None]),
    ("either", "5", [5], 5),
    ("either", "five", ["five"], "five"),
    ("either", "true", ["true"], "true"),
    ("text_first", "5", [5], 5),
    ("text_first", "'\"5\"'", ["5"], "5"),
    ("number", "5", [5], 5),
    ("number", "5.5", [5.5], 5.5),
    ("moment", "2026-11-25", ["2026-11-25"], date(2026, 11, 25)),
    ("moment", "5", [5], 5),
    ("any", "'{\"a\": 1}'", [{"a": 1}], {"a": 1}),
    ("any", "word", ["word"], "word"),
    ("object", "null", [None], None),
    ("new", "80", [80.0], 80),
    ("annotated", "'{\"http\": 80}'", [{"http": 80}], {"http": 80}),
    ("optional", "none", [None], None),
    ("optional", "5", [5], 5),
    ("switch", "None", [None], None),
    ("point", "'{\"x\": 1}'", [{"x": 1}], Point(1)),
    (
        "point",
        """'{"x": 1, "y": 2, "made": "2026-01-02", "tags": ["a"]}'""",
        [{"x": 1, "y": 2, "made": "2026-01-02", "tags": ["a"]}],
        Point(1, 2.0, date(2026, 1, 2), ["a"]),
    ),
    (
        "node",
        """'{"name": "a", "below": [{"name": "b"}]}'""",
        [{"name": "a", "below": [{"name": "b"}]}],
        Node("a", [Node("b")]),
    ),
    ("options", """'{"path": "/a"}'""", [{"path": "/a"}], {"path": Path("/a")}),
    ("points", """'{"x": 1}' '{"x": 2}'""", [[{"x": 1}, {"x": 2}]], [Point(1), Point(2)]),
    ("mode", "true", [True], True),
    ("mode", "True", [True], True),
    ("mode", "5", [5.0], 5),
    ("rest", "1 null", [1, None], [1, None]),
]


@pytest.mark.parametrize(("name", "words", "params", "expected"), CASES)
def test_words_and_values_become_the_same_objects(name: str, words: str, params: list[Any], expected: object) -> None:
    for bound in (bind(command(name), name, words), accept(command(name), name, params)):
        value = received(name, bound)
        assert value == expected
        assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("name", "words", "complaint"),
    [
        ("dict", "a", "value: 'a' should be JSON such as {name: int, ...}"),
        ("dict", """'{"a": "b"}'""", 'value: \'{"a": "b"}\' should be JSON such as {name: int, ...}'),
        ("pair", "[1]", "value: '[1]' should be JSON such as [int, text]"),
        ("number", "five", "value: 'five' should be JSON such as int or float"),
        (
            "point",
            "{}",
            "value: '{}' should be JSON such as {x: int, y?: float, made?: date or none, tags?: [text, ...]}",
        ),
        ("optional", "five", "value: 'five' should be a whole number, or none"),
        ("any_dict", "[]", "value: '[]' should be JSON such as {name: any value, ...}"),
        ("mode", "false", "value: 'false' should be one of on, true, 5"),
    ],
)
def test_what_does_not_fit_is_said_with_what_would(name: str, words: str, complaint: str) -> None:
    with pytest.raises(CommandError) as caught:
        bind(command(name), name, words)
    assert str(caught.value).startswith(f"{name}: {complaint}; usage: ")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("dict", {"a": True}, 'value is {"a": true}, and should be {name: int, ...}'),
        ("either", 5.5, "value is 5.5, and should be int or text"),
        ("point", {"x": 1, "z": 1}, "value is "),
        ("point", {"x": 1, "made": "soon"}, "value is "),
        ("moment", "", 'value is "", and should be date or int'),
        ("new", 80.5, "value is 80.5, and should be a whole number"),
        ("set", ["BLUE"], 'value is ["BLUE"], and should be one of red'),
    ],
)
def test_a_programs_wrong_values_are_named(name: str, value: object, complaint: str) -> None:
    with pytest.raises(CommandError) as caught:
        accept(command(name), name, [value])
    assert str(caught.value).startswith(f"{name}: {complaint}")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [("by_colour", {"a": 1}, "one of red"), ("mapping", {"a": []}, "a whole number")],
)
def test_what_a_schema_cannot_say_is_checked_in_the_host(name: str, value: object, complaint: str) -> None:
    bound = accept(command(name), name, [value])
    with pytest.raises(ValueError, match=complaint):
        received(name, bound)


def test_what_is_not_supported_is_named_and_text() -> None:
    data, problems = described(Unsupported)
    assert {one["parameters"][0]["kind"] for one in data["commands"] if one["name"] in ("bytes", "call")} == {"text"}
    said = [problem.partition(": cmd_")[2] for problem in problems]
    assert said == [
        "bytes: its annotation 'bytes' is not a supported type",
        "call: its annotation 'collections.abc.Callable[[], int]' is not a supported type",
        "inside: its annotation 'complex' is not a supported type",
        "keys: its annotation 'dict[tuple[int, int], int]' is not a supported type",
        "field: its annotation 'NoSuchType' is unknown",
        "field: its annotation 'bytearray' is not a supported type",
        "member: its annotation 'Literal[<Colour.RED: 1>]' is not a supported type",
        "nothing: its annotation 'Literal[None]' is not a supported type",
        "endless: its annotation 'Endless' is not a supported type",
        "none: its annotation 'None' is not a supported type",
        "empty: its annotation 'tests.commands.test_annotations.Empty' is not a supported type",
    ]


def test_all_supported_types_have_no_problem_and_a_help_text() -> None:
    assert described(Given)[1] == []
    assert parameter_help(command("pair").parameters[0]) == "JSON [int, text]"
    assert parameter_help(command("either").parameters[0]) == "int or text"
    for record in COMMANDS.values():
        assert parameter_help(record.parameters[0])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(list(COMMANDS)), json_values)
def test_any_value_is_accepted_or_refused_and_what_is_accepted_is_received(name: str, value: Any) -> None:
    record = command(name)
    try:
        bound = accept(record, name, [value])
    except CommandError:
        return
    try:
        received(name, bound)
    except ValueError:  # by what the schema cannot say
        assert name in ("mapping", "by_colour")


@given(json_values)
def test_the_words_of_an_any_are_what_a_program_sends(value: Any) -> None:
    quoted = json.dumps(value).replace("'", "'\"'\"'")
    assert received("any", bind(command("any"), "any", f"-- '{quoted}'")) == value


@given(json_values, json_values)
def test_every_value_conforms_to_its_own_enum_only(value: Any, other: Any) -> None:
    assert conforms(value, {"enum": [value]})
    assert conforms(value, {})
    assert wording({}) == "any value"


def test_schemas_are_those_that_programs_read() -> None:
    (parameter,) = command("point").parameters
    assert schema(parameter)["required"] == ["x"]
    assert schema(command("optional").parameters[0]) == {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "default": 10,
    }
    hidden = {"type": "string", "format": "password", "writeOnly": True}
    assert schema(Parameter("pin", secret=True)) == hidden
    assert schema(Parameter("pin", secret=True, nullable=True)) == {"anyOf": [hidden, {"type": "null"}]}
    assert schema(Parameter("pins", secret=True, rest=True)) == {"type": "array", "items": hidden}


@pytest.mark.parametrize("depth", range(12))
def test_an_annotation_that_has_itself_inside_is_told_as_that_however_deep_the_stack_is(depth: int) -> None:
    def problems(depth: int) -> list[str]:
        return problems(depth - 1) if depth else described(Unsupported)[1]

    assert any("'Endless' is not a supported type" in problem for problem in problems(depth))
