"""The audit journal's lines: whatever they tell of, each is one JSON object, in ASCII, without a control character."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smanager.access.audit import ARGUMENTS_LIMIT, TEXT_LIMIT, Audit, Need, bounded, described, secrets_in
from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE, Origin, OriginKind
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, Parameter
from smanager.system.outbox import Outbox

ANY_TEXT = st.text(st.characters(), max_size=30) | st.sampled_from(
    ['"', "\\", '","event":"login', "\n{}", "\ud800", "é\x7f"]
)


def journal(folder: Path, *tell: Any) -> list[dict[str, Any]]:
    """What stands in a new journal once each of `tell` has been called with it."""
    path = folder / "audit.jsonl"
    path.unlink(missing_ok=True)

    async def write() -> None:
        audit = Audit(Outbox(), path, Need.ON)
        for each in tell:
            each(audit)
        await asyncio.sleep(0)
        audit.close()

    asyncio.run(write())
    text = path.read_bytes()
    assert text.endswith(b"\n")
    lines = text[:-1].split(b"\n")
    assert all(0x20 <= byte < 0x7F for line in lines for byte in line)
    return [json.loads(line) for line in lines]


def test_a_command_is_written_before_it_runs_and_when_it_has_ended(tmp_path: Path) -> None:
    caller = Caller(Origin(OriginKind.TCP, "127.0.0.1", 4000), "ann", behalf="bob")
    facts = described("web restart", {"how": ["now", 1, None]})
    begun, ended, refused = journal(
        tmp_path,
        lambda audit: audit.end(audit.begin(caller, "web restart", facts), 0.5, "it broke"),
        lambda audit: audit.refused(Caller(CONSOLE), "wbe", "no such command"),
    )
    assert list(begun) == ["when", "event", "id", "user", "from", "claims_for", "name", "arguments"]
    assert (begun["event"], begun["user"], begun["from"], begun["claims_for"]) == (
        "command",
        "ann",
        "127.0.0.1:4000",
        "bob",
    )
    assert (begun["name"], begun["arguments"]) == ("web restart", {"how": ["now", 1, None]})
    assert list(ended) == ["when", "event", "id", "seconds", "outcome"]
    assert (ended["event"], ended["id"], ended["outcome"]) == ("end", begun["id"], "it broke")
    assert 0 <= ended["seconds"] < 60
    assert list(refused) == ["when", "event", "user", "from", "name", "reason"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal")


@settings(deadline=None)
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.recursive(ANY_TEXT | st.none() | st.integers(), st.lists, max_leaves=10))
def test_no_value_passes_for_another_line_or_another_fact(
    folder: Path, user: str, behalf: str, name: str, argument: object
) -> None:
    caller = Caller(CONSOLE, user, behalf=behalf, proof=user)
    arguments = {name: argument}
    lines = journal(
        folder,
        lambda audit: audit.login(caller),
        lambda audit: audit.failure(CONSOLE, user, behalf),
        lambda audit: audit.refused(caller, name, "not allowed"),
        lambda audit: audit.kicked(caller, caller),
        lambda audit: audit.end(audit.begin(caller, name, described(name, arguments)), 0.5, name),
        lambda audit: audit.started(caller),
        lambda audit: audit.stopped(),
    )
    events = [line["event"] for line in lines]
    assert events == [
        "login",
        "login failed",
        "refused",
        "kicked",
        "command",
        "end",
        "manager started",
        "manager stopped",
    ]
    assert all(line["user"] == user for line in lines[:5])
    assert [line["name"] for line in lines if "name" in line] == [name, name]
    assert lines[5]["outcome"] == name


def test_arguments_are_cut_to_size() -> None:
    assert bounded({}) == "{}"
    assert json.loads(bounded({"text": "x" * (TEXT_LIMIT + 1)})) == {"text": "x" * TEXT_LIMIT + "… (1001 characters)"}
    assert json.loads(bounded({"deep": [[[[[1]]]]]})) == {"deep": [[[["…"]]]]}
    many = json.loads(bounded({str(number): "é" * 900 for number in range(100)}))
    assert many.endswith("… (cut)")
    assert len(many) < ARGUMENTS_LIMIT


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("hunter2", {"hunter2"}),
        (1234, {"1234"}),
        (["a1", {"x": "b2"}], {"a1", "b2"}),
        ('ä"', {'ä"', '\\u00e4\\"', 'ä\\"'}),
        ("", set()),
        (None, set()),
        (True, set()),
    ],
)
def test_the_texts_of_secrets_are_found_in_any_value(value: object, texts: set[str]) -> None:
    command = Command("login", "", (Parameter("user"), Parameter("pin", secret=True)))
    assert set(secrets_in(command, Arguments(["anna", value], {}))) == texts
    assert secrets_in(Command("login", "", (Parameter("user"),)), Arguments(["anna"], {})) == []
