"""Which requests may come in, by their addresses alone."""

from __future__ import annotations

import pytest

from smanager.web.door import Door, RefusedError, body_length, cookies, require_json, require_own_page
from tests.web.headers import headers

PROXIED = Door("http", ["https://box.example", "http://box.lan:8080"], ["127.0.0.1", "fd00::/8"], needs_login=True)
LOCAL = Door("http")
SECURE = Door("https", ["https://box.lan:10001"], needs_login=True)


@pytest.mark.parametrize(
    ("door", "host", "own_address", "origin"),
    [
        (LOCAL, "127.0.0.1:10001", "127.0.0.1", "http://127.0.0.1:10001"),
        (LOCAL, "localhost:9000", "127.0.0.1", "http://localhost:9000"),  # the other end of an ssh tunnel
        (LOCAL, "LocalHost", "127.0.0.1", "http://localhost"),
        (LOCAL, "[::1]:10001", "::1", "http://[::1]:10001"),
        (SECURE, "192.0.2.1:10001", "192.0.2.1", "https://192.0.2.1:10001"),
        (SECURE, "[2001:db8::1]", "2001:db8::1", "https://[2001:db8::1]"),
        (SECURE, "box.lan:10001", "192.0.2.1", "https://box.lan:10001"),
        (PROXIED, "box.example", "127.0.0.1", "https://box.example"),
        (PROXIED, "BOX.lan:8080", "127.0.0.1", "http://box.lan:8080"),
    ],
)
def test_the_page_is_where_the_browser_thinks_it_is(door: Door, host: str, own_address: str, origin: str) -> None:
    assert door.origin(headers(Host=host), own_address) == origin


@pytest.mark.parametrize(
    ("door", "host"),
    [
        (LOCAL, "evil.example"),  # which its owner has made a name of this machine
        (LOCAL, "evil.example:10001"),
        (LOCAL, "localhost.evil.example"),
        (LOCAL, "127.0.0.1.evil.example"),
        (LOCAL, "127.0.0.2:10001"),
        (LOCAL, "0.0.0.0:10001"),
        (LOCAL, "[::1.evil.example"),
        (LOCAL, "localhost@evil.example"),
        (LOCAL, ""),
        (PROXIED, "box.example:444"),
        (PROXIED, "box.lan"),
        (PROXIED, "evil.box.example"),
    ],
)
def test_no_other_name_leads_to_the_page(door: Door, host: str) -> None:
    with pytest.raises(RefusedError) as caught:
        door.origin(headers(Host=host), "127.0.0.1")
    assert caught.value.status == 421
    assert repr(host) in str(caught.value)


@pytest.mark.parametrize("given", [{}, {"Host": ["127.0.0.1", "127.0.0.1"]}, {"Host": ["evil.example", "127.0.0.1"]}])
def test_a_request_names_one_host(given: dict[str, list[str]]) -> None:
    with pytest.raises(RefusedError, match=r"the header Host (is missing|comes twice)"):
        LOCAL.origin(headers(**given), "127.0.0.1")


@pytest.mark.parametrize(
    ("forwarded", "peer", "client"),
    [
        ([], "127.0.0.1", "127.0.0.1"),  # through ssh, say
        (["192.0.2.7"], "127.0.0.1", "192.0.2.7"),
        (["198.51.100.1, 192.0.2.7"], "127.0.0.1", "192.0.2.7"),  # what is before it, the browser may have made up
        (["198.51.100.1", "192.0.2.7"], "127.0.0.1", "192.0.2.7"),
        (["2001:db8::7"], "fd00::1", "2001:db8::7"),
        (["192.0.2.7"], "192.0.2.99", "192.0.2.99"),  # not a proxy of ours
    ],
)
def test_only_a_trusted_proxy_says_where_the_browser_is(forwarded: list[str], peer: str, client: str) -> None:
    assert PROXIED.client(headers(X_Forwarded_For=forwarded), peer) == client


@pytest.mark.parametrize("forwarded", ["unknown", "192.0.2.7:1234", "192.0.2.7,x"])
def test_a_trusted_proxy_gives_an_address(forwarded: str) -> None:
    with pytest.raises(RefusedError, match="should end in an IP address"):
        PROXIED.client(headers(X_Forwarded_For=forwarded), "127.0.0.1")


@pytest.mark.parametrize("name", ["X_Forwarded_For", "Forwarded", "X_Forwarded_Host", "X_Real_IP"])
def test_what_a_proxy_sends_is_not_this_machines_own_browser(name: str) -> None:
    with pytest.raises(RefusedError, match=r"proxies in \[web\] does not name it"):
        LOCAL.client(headers(**{name: "192.0.2.7"}), "127.0.0.1")


OWN = "http://127.0.0.1:10001"


@pytest.mark.parametrize(
    ("given", "changes", "is_let_in"),
    [
        ({"Origin": OWN}, True, True),
        ({"Origin": OWN, "Sec_Fetch_Site": "same-origin"}, True, True),
        ({}, False, True),  # browsers name no origin where they only ask
        ({"Sec_Fetch_Site": "none"}, False, True),  # typed by the user
        ({}, True, False),
        ({"Origin": "null"}, True, False),
        ({"Origin": "https://evil.example"}, True, False),
        ({"Origin": "https://evil.example"}, False, False),
        ({"Origin": "http://127.0.0.1:3000"}, True, False),  # another program of this machine
        ({"Origin": "https://127.0.0.1:10001"}, True, False),
        ({"Origin": "http://127.0.0.1"}, True, False),
        ({"Origin": [OWN, "https://evil.example"]}, True, False),
        ({"Origin": OWN, "Sec_Fetch_Site": "cross-site"}, True, False),
        ({"Sec_Fetch_Site": "cross-site"}, False, False),
        ({"Sec_Fetch_Site": "same-site"}, False, False),
    ],
)
def test_only_the_page_itself_asks(given: dict[str, str | list[str]], changes: bool, is_let_in: bool) -> None:
    try:
        require_own_page(headers(**given), OWN, changes)
    except RefusedError:
        assert not is_let_in
    else:
        assert is_let_in


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_body_is_json(kind: str) -> None:
    require_json(headers(Content_Type=kind))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "multipart/form-data; boundary=application/json"},
        {"Content_Type": "application/jsonp"},
    ],
)
def test_what_a_form_can_send_is_refused(given: dict[str, str | list[str]]) -> None:
    with pytest.raises(RefusedError) as caught:
        require_json(headers(**given))
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 400),
        ({"Content_Length": ["5", "6"]}, 400),
        ({"Content_Length": "5, 5"}, 400),
        ({"Content_Length": "+5"}, 400),
        ({"Content_Length": "-5"}, 400),
        ({"Content_Length": "5_0"}, 400),
        ({"Content_Length": "\N{SUPERSCRIPT TWO}"}, 400),
        ({"Content_Length": "101"}, 413),
        ({"Content_Length": "9" * 5000}, 413),
        ({"Transfer_Encoding": "chunked"}, 411),
        ({"Transfer_Encoding": "chunked", "Content_Length": "5"}, 411),
    ],
)
def test_a_body_has_one_length_in_bounds(given: dict[str, str | list[str]], status: int) -> None:
    assert body_length(headers(Content_Length="100"), 100) == 100
    with pytest.raises(RefusedError) as caught:
        body_length(headers(**given), 100)
    assert caught.value.status == status


def test_cookies_of_others_do_not_hide_ours() -> None:
    given = headers(Cookie=["theme=dark; smanager-10001=abc", "x; y=1=2;;"])
    assert cookies(given) == {"theme": "dark", "smanager-10001": "abc", "x": "", "y": "1=2", "": ""}
    assert cookies(headers()) == {}
