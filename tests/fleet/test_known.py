"""The nodes that a user has heard of before: they are kept, and what is damaged is forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smanager.fleet.client import about
from smanager.fleet.known import KnownNodes, NodeAbout, last_seen, row_of

BOX = NodeAbout("box", {"site": "lab"}, "1.2.3", 100.0, 200.0)


def test_what_is_known_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "made" / "fleet.json"
    known = KnownNodes(file)
    known.learn(BOX)
    known.heard(["box", "other"], 300.0)
    known.learn(NodeAbout("old"))
    known.forget(["old", "never"])
    known.save()
    assert file.stat().st_mode & 0o077 == 0
    again = KnownNodes(file)
    assert again.names == ["box", "other"]
    assert again["box"] == BOX._replace(seen=300.0)
    assert (again["other"], again["new"]) == (NodeAbout("other", seen=300.0), NodeAbout("new"))


def test_nothing_is_written_without_need(tmp_path: Path) -> None:
    known = KnownNodes(tmp_path / "fleet.json")
    known.save()
    known.forget(["box"])
    known.save()
    assert not list(tmp_path.iterdir())


def test_it_works_without_a_place_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    known = KnownNodes(tmp_path / "file" / "fleet.json")
    known.learn(BOX)
    known.save()
    assert known.names == ["box"]


RIGHT: dict[str, Any] = {"format": 1, "nodes": {"box": [{"site": "lab"}, "1.2.3", 100.0, 200.0]}}


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "5", "null", '{"format": 1}', "[" * 100_000, "\ud800"),
        {**RIGHT, "format": 2},
        {**RIGHT, "nodes": []},
        {**RIGHT, "nodes": {"a b": [{}, "", 0, 0]}},
        {**RIGHT, "nodes": {"box": []}},
        {**RIGHT, "nodes": {"box": 5}},
        {**RIGHT, "nodes": {"box": [5, "1.2.3", 100.0, 200.0]}},
        {**RIGHT, "nodes": {"box": [{"site": 5}, "1.2.3", 100.0, 200.0]}},
        {**RIGHT, "nodes": {"box": [{}, 5, 100.0, 200.0]}},
        {**RIGHT, "nodes": {"box": [{}, "1.2.3", "100", 200.0]}},
        {**RIGHT, "nodes": {"box": [{}, "1.2.3", 100.0, float("nan")]}},
        {**RIGHT, "nodes": {"box": [{}, "1.2.3", 10**400, 0]}},
        {**RIGHT, "nodes": {"box": [{}, "1.2.3", 100.0, 200.0, 300.0]}},
    ],
)
def test_a_damaged_file_is_forgotten_whole(tmp_path: Path, content: object) -> None:
    file = tmp_path / "fleet.json"
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert KnownNodes(file).names == []


ABOUT: dict[str, Any] = {"version": "1.2.3", "metadata": {"node": "box", "since": "100", "label.site": "lab", "x": "y"}}


def test_what_a_node_tells_of_itself_is_read() -> None:
    node = about(json.dumps(ABOUT).encode())
    assert node
    assert node._replace(seen=200.0) == BOX


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"5", b"null", b"{}", b"[" * 100_000, b"\xff"),
        *(
            json.dumps({**ABOUT, "metadata": {**ABOUT["metadata"], **wrong}}).encode()
            for wrong in (
                *({"node": None}, {"node": "a.b"}, {"node": "a\x1b[2J"}, {"since": "nan"}, {"since": "soon"}),
                *({"since": 10**400}, {"since": None}, {"label.site": "a b"}, {"label.": "lab"}, {"label.a b": "lab"}),
            )
        ),
    ],
)
def test_what_is_no_node_of_ours_is_left(data: bytes) -> None:
    assert about(data) is None


def test_when_a_node_was_seen_is_said_in_words() -> None:
    assert (last_seen(0.0, 100.0), last_seen(40.0, 100.0)) == ("never seen", "last seen 1 min 0 s ago")
    assert last_seen(200.0, 100.0) == "last seen 0.0 s ago"  # a clock that was set back


def test_the_table_says_who_is_not_connected() -> None:
    row = {"name": "box", "labels": "site=lab", "version": "1.2.3"}
    assert row_of(BOX, True, 220.0) == {**row, "since": "2 min 0 s", "state": "connected"}
    assert row_of(BOX, False, 220.0) == {**row, "since": "-", "state": "not connected; last seen 20 s ago"}
