"""A hub's record of its fleet, in JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from smanager.fleet.enrolled import (
    EnrolledNode,
    EnrolledSite,
    EnrolledUser,
    HubRecord,
    decode_record,
    encode_record,
    listen_address,
)

KEY = "U" + 55 * "A"
RECORD = HubRecord("0.0.0.0:4222", ("tls://hub.example:4222",), "server.pem", "server.key", "ca.pem", {}, {}, {})

names = some.text("aZ09_-", min_size=1, max_size=5)
keys = some.text("AZ27", min_size=55, max_size=55).map(lambda rest: f"U{rest}")
users = some.builds(EnrolledUser, keys, some.lists(some.text(max_size=5)).map(tuple))
nodes = some.builds(EnrolledNode, keys, some.dictionaries(names, names, max_size=3))


@given(some.dictionaries(names, users, max_size=3), some.dictionaries(names, nodes, max_size=3), some.text())
def test_what_is_written_is_read(users: dict[str, EnrolledUser], nodes: dict[str, EnrolledNode], path: str) -> None:
    record = RECORD._replace(users=users, nodes=nodes, sites={"lab3": EnrolledSite(KEY)}, certificate=path)
    assert decode_record(encode_record(record)) == record


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"servers": []}, "it should hold an object with listen, servers, "),
    ({"users": []}, "it should hold an object with listen, servers, "),
    ({"ca": None}, "it should hold an object with listen, servers, "),
    ({"servers": ["hub.example"]}, "an address such as "),
    ({"listen": "hub.example:4222"}, "listen is 'hub.example:4222', and should be an address and a port such as "),
    ({"listen": 4222}, "listen is 4222, and should be an address and a port such as "),
    ({"users": {"a.b": {"key": KEY, "roles": []}}}, "users has the name 'a.b', which should be at most 64 letters, "),
    ({"users": {"a": {"key": "SUAB", "roles": []}}}, 'users.a should be {"key": "U…", "roles": ["operate"]}, with '),
    ({"users": {"a": {"key": KEY, "roles": "view"}}}, 'users.a should be {"key": "U…", "roles": ["operate"]}, with '),
    ({"users": {"a": {"key": KEY, "roles": [1]}}}, 'users.a should be {"key": "U…", "roles": ["operate"]}, with '),
    ({"users": {"a": None}}, 'users.a should be {"key": "U…", "roles": ["operate"]}, with '),
    ({"nodes": {"*": {"key": KEY, "labels": {}}}}, "nodes has the name '*', which should be at most 64 letters, "),
    ({"nodes": {"a": {"key": KEY}}}, 'nodes.a should be {"key": "U…", "labels": {"site": "lab3"}}, with '),
    ({"nodes": {"a": {"key": KEY, "labels": {"site": ">"}}}}, 'nodes.a should be {"key": "U…", "labels": {"site": '),
    ({"sites": {"a": {"key": "U"}}}, 'sites.a should be {"key": "U…"}, with the public key of an nkey'),
    ({"nodes": {"a": {"key": KEY, "labels": {"site": 3}}}}, 'nodes.a should be {"key": "U…", "labels": {"site": '),
]


@pytest.mark.parametrize(("wrong", "message"), MISTAKES)
def test_a_mistake_is_told_with_what_would_be_right(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        decode_record(json.dumps({**RECORD._asdict(), **wrong}))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "{}", "null"])
def test_what_is_not_a_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it should hold an object with listen, "):
        decode_record(text)


@pytest.mark.parametrize("text", ["0.0.0.0:4222", "127.0.0.1:1", "[::]:65535", "[fe80::1]:4222"])
def test_an_address_to_listen_on(text: str) -> None:
    assert listen_address(text) == text


@pytest.mark.parametrize(
    "text", ["", "4222", ":4222", "0.0.0.0", "0.0.0.0:0", "0.0.0.0:65536", "::1:4222", "a:1", None]
)
def test_what_is_not_an_address_to_listen_on(text: object) -> None:
    with pytest.raises(ValueError, match=r"and should be an address and a port such as 0\.0\.0\.0:4222$"):
        listen_address(text)
