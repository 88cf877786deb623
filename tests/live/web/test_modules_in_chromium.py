"""The page's modules that decide without a page: escapes, forms' values, samples, graphs, words. Run by Chromium."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.live.clients import needs

pytest.importorskip("selenium", reason="needs selenium, which the environment soak of tox has")

from tests.live.web.chromium import Chromium

pytestmark = pytest.mark.soak


class Files(SimpleHTTPRequestHandler):
    """The files of the page, without a manager behind them."""

    def log_message(self, *ignored: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    needs("chromium", "chromium")
    needs("chromedriver", "chromium-driver")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(ROOT / "smanager" / "web" / "page")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = Chromium(f"http://127.0.0.1:{server.server_port}/")
    browser.driver.get(f"{browser.address}style.css")  # a document, without the page's own code
    yield browser
    browser.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["plain"], [("plain", "")]),
        (["\x1b[1;31mred\x1b[0m, not"], [("red", "bold fg1"), (", not", "")]),
        (["\x1b[4", "m\x1b[32mgr", "een\x1b[24m!"], [("gr", "underline fg2"), ("een", "underline fg2"), ("!", "fg2")]),
        (["a\x1b", "[1mb"], [("a", ""), ("b", "bold")]),
        (["\x1b[91mbright\x1b[39m\x1b[44mback\x1b[49m."], [("bright", "fg9"), ("back", "bg4"), (".", "")]),
        (["\x1b[38;5;196mcube"], [("cube", "fg9")]),
        (["\x1b[38;2;10;200;20mtrue"], [("true", "fg2")]),
        (["\x1b[38;5;999mnone\x1b[38mnone"], [("none", ""), ("none", "")]),
        (["\x1b[48;5;240mgrey"], [("grey", "bg8")]),
        (["\x1b[1m\x1b[2mboth\x1b[22mneither"], [("both", "bold dim"), ("neither", "")]),
        (["\x1b]0;title\x07a\x1b]8;;javascript:x\x1b\\link\x1b]8;;\x1b\\"], [("a", ""), ("link", "")]),
        (["\x1bPabc", "def\x1b", "\\end"], [("end", "")]),
        (["\x1b[2J\x1b[10;10Hat\x1b(B\x1bc"], [("at", "")]),
        (["50 %\r60 %\r\nend"], [("50 %\n60 %\nend", "")]),
        (["\x00\x07\x7f\x9b\u202e"], [("\\x00\\x07\\x7f\\x9b\\u202e", "")]),
        (["<b>\u0414</b>"], [("<b>\u0414</b>", "")]),
    ],
)
def test_escapes_become_classes(browser: Chromium, pieces: list[str], shown: list[tuple[str, str]]) -> None:
    read = "(() => { const escapes = new it.Escapes(); return args[0].flatMap((text) => escapes.read(text)); })()"
    assert [(one["text"], one["classes"]) for one in browser.module("escapes.js", read, pieces)] == shown


def test_an_escape_without_an_end_holds_back_a_bounded_length(browser: Chromium) -> None:
    read = """(() => {
        const escapes = new it.Escapes();
        escapes.read("\\x1b]" + "x".repeat(100000));
        return escapes.read("shown");
    })()"""
    assert browser.module("escapes.js", read) == [{"text": "shown", "classes": ""}]


def parameter(schema: object, required: bool = False, name: str = "one") -> dict[str, object]:
    return {"name": name, "description": "", "required": required, "schema": schema}


def null_or(schema: object) -> dict[str, object]:
    return {"anyOf": [schema, {"type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "tag", "given", "value"),
    [
        ({"type": "string"}, "input[type=text]", "words", "words"),
        ({"type": "string", "default": "x"}, "input[type=text]", "", ""),
        ({"type": "string"}, "input[type=text]", "", None),
        ({"type": "string", "format": "password"}, "input[type=password]", " s ", " s "),
        (null_or({"type": "string", "format": "password"}), "input[type=password]", "s", "s"),
        ({"type": "integer", "format": "password"}, "input[type=password]", "1234", 1234),
        ({"type": "array", "items": {"type": "string", "format": "password"}}, "input[type=password]", "s", ["s"]),
        ({"type": "string", "format": "date"}, "input[type=date]", "2026-11-28", "2026-11-28"),
        ({"type": "integer"}, "input[type=number]", "5", 5),
        ({"type": "number"}, "input[type=number]", "0.5", 0.5),
        (null_or({"type": "integer"}), "input[type=number]", "", None),
        ({"type": ["number", "string"]}, "input[type=text]", "1h30m", "1h30m"),
        ({"type": ["number", "string"], "default": 86400}, "input[type=text]", "1d", 86400),
        ({"enum": [1, "two"]}, "select", "1", "two"),
        ({"type": "array", "items": {"type": "string"}}, "textarea", "a b\nc\n", ["a b", "c"]),
        ({"type": "object"}, "textarea", '{"a": 1}', {"a": 1}),
        ({}, "textarea", "no JSON", "no JSON"),
        ({}, "textarea", "false", False),
        ({}, "textarea", "null", None),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "textarea", "5", 5),
        ({"type": "array", "items": {"type": "integer"}}, "textarea", "[1, 2]", [1, 2]),
    ],
)
def test_a_field_follows_its_schema(browser: Chromium, schema: object, tag: str, given: str, value: object) -> None:
    fill = """(() => {
        const field = it.fieldFor(args[0]);
        const control = field.node.querySelector(args[1]);
        control.value = args[2];
        return field.value();
    })()"""
    assert browser.module("fields.js", fill, parameter(schema), tag, given) == value


def test_what_is_not_json_is_told_with_an_example(browser: Chromium) -> None:
    fill = """(() => {
        const field = it.fieldFor(args[0]);
        field.node.querySelector("textarea").value = "{";
        try { return field.value(); } catch (error) { return error.message; }
    })()"""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    told = browser.module("fields.js", fill, parameter(schema))
    assert told == 'one: not JSON; it should be such as {"name": "text"}'


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ([("a", 10, 10, False)], {}),
        ([("a", 11, 10, False)], {"a": 11}),
        ([("a", None, None, False), ("b", "x", None, False)], {"b": "x"}),
        (
            [("a", 10, 10, False), ("b", None, None, True), ("rest", ["x"], None, False)],
            {"a": 10, "b": None, "rest": ["x"]},
        ),
    ],
)
def test_a_request_has_what_differs_from_the_defaults(browser: Chromium, fields: list[Any], values: object) -> None:
    collect = """it.valuesOf(args[0].map(([name, value, of, nullable]) =>
        ({ name, nullable, default: of ?? undefined, value: () => value ?? undefined })))"""
    assert browser.module("forms.js", collect, fields) == values


def test_cpu_time_becomes_percent_of_the_same_process(browser: Chromium) -> None:
    follow = """args[0].reduce((samples, [pid, cpu, at]) => it.sampled(samples, { pid, cpu, memory: 1 }, at), [])"""
    samples = browser.module(
        "manager.js", follow, [[1, 5.0, 0], [1, 6.0, 2], [2, 0.5, 4], [2, 0.7, 6], [None, None, 8]]
    )
    assert [one["cpu"] and round(one["cpu"]) for one in samples] == [None, 50, None, 10, None]
    many = browser.module("manager.js", follow, [[1, at, at] for at in range(400)])
    assert len(many) == 150


def test_samples_for_which_the_browser_has_no_room_are_not_kept(browser: Chromium) -> None:
    full = "const { setItem } = Storage.prototype; Storage.prototype.setItem = () => { throw new Error('full'); };"
    closed = f"(() => {{ {full} try {{ it.manager.close(); }} finally {{ Storage.prototype.setItem = setItem; }} }})()"
    assert browser.module("manager.js", closed) is None


@pytest.mark.parametrize(
    ("paragraph", "shown"),
    [
        ("one\ntwo", "one two"),
        ("one:\n  two", "one:\n  two"),
        ("- one\n- two", "- one\n- two"),
        ("1. a\n2. b", "1. a\n2. b"),
    ],
)
def test_a_paragraph_is_broken_where_the_window_ends(browser: Chromium, paragraph: str, shown: str) -> None:
    assert browser.module("commands.js", "it.reflowed(args[0])", paragraph) == shown


def test_a_graph_has_gaps_where_nothing_is_known(browser: Chromium) -> None:
    line = browser.module("graph.js", "it.path(args[0], 10)", [[-1000, 1], [0, 0], [150, 10], [200, None], [300, 5]])
    assert line == "M0.0 27.0L60.0 2.0M120.0 14.5"
    assert browser.module("graph.js", "it.path([], 10)") == ""


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("span(0.025)", "25 ms"),
        ("span(9.96)", "10 s"),
        ("span(59.6)", "1 min"),
        ("span(3661)", "1 h 1 min"),
        ("span(86400 * 3 + 30)", "3 d"),
        ("span(null)", "–"),
        ("spanWord(86400)", "1d"),
        ("spanWord(5400)", "1h30m"),
        ("spanWord(0.5)", "0.5s"),
        ("bytes(1536)", "1.5 KiB"),
        ("bytes(500)", "500 B"),
        ("bytes(26 * 1024 * 1024)", "26 MiB"),
        ("percent(12.4)", "12 %"),
    ],
)
def test_numbers_are_words(browser: Chromium, call: str, words: str) -> None:
    assert browser.module("format.js", f"it.{call}") == words
