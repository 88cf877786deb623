"""Small parts of the page's server: answers, events, files, requests, and shares."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import socket
from contextlib import ExitStack
from socketserver import TCPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.web import responses
from smanager.web.assets import DIRECTORY, TYPES, assets
from smanager.web.calls import PageCall, call_of, json_of
from smanager.web.door import Door, RefusedError
from smanager.web.http import PROBES, RETRY_SECONDS, PageServer
from smanager.web.quotas import Quotas
from tests.conftest import SECONDS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_whatever_an_event_says_is_one_event(value: object) -> None:
    data = responses.event("item", value)
    name, line, *rest = data.split(b"\n")
    assert (name, rest) == (b"event: item", [b"", b""])
    assert b"\r" not in data
    assert json.loads(line.removeprefix(b"data: ")) == value


@given(JSON)
def test_an_answer_has_the_length_that_it_says_and_every_header_of_safety(value: object) -> None:
    head, _, body = responses.answer(200, value).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    told = dict(line.split(": ", 1) for line in lines[1:])
    assert told.items() >= responses.HEADERS.items()
    assert (told["Content-Length"], told["Cache-Control"]) == (str(len(body)), "no-store")
    assert json.loads(body) == value


def test_the_policy_lets_in_nothing_but_the_pages_own_files() -> None:
    policy = dict(part.split(" ", 1) for part in responses.POLICY.split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in responses.POLICY


def test_the_page_is_its_files_and_nothing_else() -> None:
    found = assets()
    names = {path.name for path in DIRECTORY.iterdir() if path.suffix in TYPES}
    assert set(found) == {"/", *(f"/{name}" for name in names - {"index.html"})}
    assert len({asset.tag for asset in found.values()}) == len({asset.body for asset in found.values()})
    page = found["/"].body.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?://", page)


@pytest.mark.parametrize(
    ("body", "call"),
    [
        (b'{"jsonrpc": "2.0", "id": 1, "method": "status"}', PageCall("status", {}, 1)),
        (b'{"jsonrpc": "2.0", "id": "a", "method": "x", "params": [1]}', PageCall("x", [1], "a")),
        (b'{"jsonrpc": "2.0", "id": null, "method": "x", "params": {"a": 1}}', PageCall("x", {"a": 1}, None)),
    ],
)
def test_a_call_is_a_request_in_json_rpc(body: bytes, call: PageCall) -> None:
    assert call_of(body) == call


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a": NaN}',
        b"[]",
        b"null",
        b'{"jsonrpc": "2.0", "method": "status"}',
        b'{"jsonrpc": "1.0", "id": 1, "method": "status"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": 5}',
        b'{"jsonrpc": "2.0", "id": true, "method": "x"}',
        b'{"jsonrpc": "2.0", "id": [], "method": "x"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": "y"}',
        b'[{"jsonrpc": "2.0", "id": 1, "method": "status"}]',
    ],
)
def test_anything_else_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        call_of(body)
    assert caught.value.status == 400
    assert "\n" not in str(caught.value)


def test_a_body_may_be_any_json() -> None:
    assert json_of(b' {"a": [1, "\\u00e4"]} ') == {"a": [1, "ä"]}


def test_nobody_takes_all_places() -> None:
    quotas = Quotas(8, "windows")
    with ExitStack() as held:

        def taken_by(party: str) -> int:
            for count in range(9):
                try:
                    held.enter_context(quotas.place(party))
                except RefusedError:
                    return count
            raise AssertionError("more places than there are")

        assert [taken_by(party) for party in ("flood", "anna", "ben", "eve")] == [4, 2, 1, 0]
    with quotas.place("eve"):
        pass


def test_a_browser_that_is_out_of_reach_is_noticed_and_events_are_sent_at_once() -> None:
    server = PageServer(("127.0.0.1", 0), {}, Door("http"), None, lambda *_: None)
    with server, socket.create_connection(server.socket.getsockname()):
        connection, _ = server.get_request()
        with connection:
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == PROBES["TCP_KEEPCNT"]


def test_where_the_system_has_no_descriptor_connections_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def accept() -> list[float]:
        server, failed = PageServer(("127.0.0.1", 0), {}, Door("http"), None, lambda *_: None), []

        def refuse(_: object) -> None:
            failed.append(loop.time())
            if len(failed) == 2:
                twice.set()
            raise OSError(errno.EMFILE, "too many open files")

        loop, twice = asyncio.get_running_loop(), asyncio.Event()
        monkeypatch.setattr(TCPServer, "get_request", refuse)
        server.begin()
        with socket.create_connection(server.socket.getsockname()):
            await asyncio.wait_for(twice.wait(), SECONDS)
        server.close()
        return failed

    first, second = asyncio.run(accept())
    assert second - first >= RETRY_SECONDS / 2
