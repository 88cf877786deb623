"""A program's request: what is one, and what is said of a line that is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.server.jsonrpc import INVALID_REQUEST, PARSE_ERROR, Request, decoded, request_of
from smanager.server.methods import RequestError


def parse(line: str) -> Request:
    return request_of(decoded(line))


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": {"line": "help"}}',
        '{"jsonrpc":"2.0","id":"a","method":"shell.execute","params":["help"]}',
        '{"jsonrpc": "2.0", "method": "shell.execute"}',
        ' {"jsonrpc": "2.0", "id": null, "method": "", "more": []} \r\n',
    ],
)
def test_a_request_is_given_as_it_stands(line: str) -> None:
    written = json.loads(line)
    expected = (written["method"], written.get("params"), written.get("id"), "id" in written)
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("{", PARSE_ERROR, "not JSON: "),
        ("{hostname}", PARSE_ERROR, "not JSON: "),
        ("", PARSE_ERROR, "not JSON: "),
        ('{"jsonrpc": "2.0", "method": "x"} y', PARSE_ERROR, "not JSON: "),
        ('{"a":' * 100_000, PARSE_ERROR, "not JSON: "),
        ('{"id": ' + "1" * 100_000 + "}", PARSE_ERROR, "not JSON: "),
        ("{}", INVALID_REQUEST, "not a request: it has no `method`"),
        ('{"jsonrpc": "2.0", "method": 1}', INVALID_REQUEST, "not a request: it has no `method`"),
        ('[{"jsonrpc": "2.0", "method": "x"}]', INVALID_REQUEST, "not a request: it has no `method`"),
        ('{"method": "x"}', INVALID_REQUEST, 'not a JSON-RPC 2.0 request: it has no "jsonrpc": "2.0"'),
        ('{"jsonrpc": 2.0, "method": "x"}', INVALID_REQUEST, "not a JSON-RPC 2.0 request"),
        ('{"jsonrpc": "1.0", "method": "x"}', INVALID_REQUEST, "not a JSON-RPC 2.0 request"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_line_that_is_no_request_is_refused_with_the_specifications_code(line: str, code: int, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(line)
    assert caught.value.code == code
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@given(st.text() | st.text('{}[]":,012e.jsonrpcmethod \\"'))
def test_any_line_is_a_request_or_an_error(line: str) -> None:
    try:
        request = parse(line)
    except RequestError:
        return
    assert isinstance(request.method, str)
