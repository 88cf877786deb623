"""What a hostile page, browser or network sends does nothing, and the manager answers as before."""

from __future__ import annotations

import itertools
import json
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.access.throttle import MOST_FAILURES
from smanager.web.http import BODY_LIMIT, HEAD_LIMIT, MOST_THREADS
from smanager.web.responses import HEADERS
from smanager.web.webpage import MOST_WINDOWS
from tests.conftest import Server, read_to_end, wait_for
from tests.live.checks import pid_of
from tests.live.security.conftest import PASSWORD, TOKENS
from tests.live.web.browser import Browser, call_of
from tests.live.web.conftest import Page, page_of

EVIL = "https://evil.example"
LOOK = call_of("box.look")


@pytest.fixture
def browser(closed_page: Page) -> Browser:
    """A browser whose user is logged in."""
    browser = closed_page.browser("203.0.113.1")
    assert browser.ask("POST", "/login", {"token": TOKENS["operator"]})[0] == 200
    return browser


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 400),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"X_CSRF_Token": None}, 403),
        ({"X_CSRF_Token": "guessed"}, 403),
        ({"X_CSRF_Token": "\xe4"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example:443", "Origin": "https://localhost.evil.example"}, 421),
        ({"Cookie": None}, 401),
        ({"Cookie": "__Host-smanager-1=x"}, 401),
        ({"Content_Length": str(BODY_LIMIT + 1)}, 413),
        ({"Content_Length": "-1"}, 400),
        ({"Transfer_Encoding": "chunked"}, 411),
        ({"X_Forwarded_For": "none of your business"}, 400),
    ],
)
def test_no_other_page_makes_a_users_browser_do_anything(
    browser: Browser, given: dict[str, str | None], status: int
) -> None:
    given_status, told = browser.ask("POST", "/call", call_of("box.open"), **given)
    assert given_status == status
    assert set(told) == {"error"}
    assert "\n" not in told["error"]
    assert browser.told.items() >= HEADERS.items()
    assert "Access-Control-Allow-Origin" not in browser.told
    assert browser.call("box.look") == "looked"


@pytest.mark.parametrize("path", ["/", "/session", "/live", "/style.css"])
def test_a_name_that_was_pointed_to_this_machine_reads_nothing(browser: Browser, path: str) -> None:
    """DNS rebinding: the page of evil.example asks its own name, which leads here by now."""
    answer = browser.begin("GET", path, Host=f"evil.example:{browser.port}")
    with answer:
        assert answer.status in (404, 421)


@pytest.mark.parametrize("path", ["/session", "/live"])
def test_another_site_cannot_have_a_browser_ask(browser: Browser, path: str) -> None:
    for given in ({"Origin": EVIL}, {"Sec_Fetch_Site": "cross-site"}):
        assert browser.ask("GET", path, **given)[0] == 403
    for method in ("OPTIONS", "HEAD", "PUT", "DELETE", "POST", "TRACE", "BREW"):
        assert browser.ask(method, path)[0] == 405
        assert browser.told["Allow"] == "GET"


@pytest.mark.parametrize(
    "path",
    [
        "/../webpage.py",
        "/page/index.html",
        "/index.html",
        "/%2e%2e/webpage.py",
        "/..%2fwebpage.py",
        "//etc/passwd",
        "/./",
        "/.",
        "/call/",
        "/SESSION",
        "/\x00",
        "/style.css/../../webpage.py",
        "/C:\\boot.ini",
        "http://127.0.0.1/session",
        "*",
        "/" + "a" * 20_000,
    ],
)
def test_no_path_leads_out_of_the_page(closed_page: Page, path: str) -> None:
    with closed_page.browser().connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"import" not in answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 505),
        (b"GET / HTTP/one\r\n\r\n", 400),
        (b"GET / HTTP/1.1 extra words\r\n\r\n", 400),
        (b"POST / \r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),  # HTTP/0.9, without a Host
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /session HTTP/1.1\r\nHost: 127.0.0.1\r\njunk\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n", 400),
        (b"GET /session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length : 5\r\n\r\n", 400),
        (b"GET /session HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y\rOrigin: http://127.0.0.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 2 * HEAD_LIMIT + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 2 * HEAD_LIMIT, 431),
    ],
)
def test_what_is_not_a_request_is_refused(open_page: Page, request_: bytes, status: int) -> None:
    with open_page.browser().connect() as connection:
        connection.sendall(request_)
        answer = read_to_end(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert set(json.loads(body)) == {"error"}
    assert b"<" not in body
    assert b"\r\nContent-Security-Policy: " in head


@pytest.mark.parametrize("kind", ["Content-Length: 41", "Transfer-Encoding: chunked"])
def test_the_body_of_a_request_is_never_the_next_request(open_page: Page, kind: str) -> None:
    """A proxy would take the second answer for that to the next user's request (request smuggling)."""
    with open_page.browser().connect() as connection:
        hidden = "GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\n\r\n{hidden}".encode())
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_user_cannot_have_the_page_try_passwords_from_elsewhere(browser: Browser) -> None:
    """The page passes names of methods on; that by which it has users log in is not one of them."""
    proof = {"host": "192.0.2.99", "user": "root", "password": PASSWORD}
    for method in ("log in", "log_in", "auth", "$/log_in", "login"):
        assert browser.call(method, proof)["message"].startswith("unknown method")


def test_guesses_are_counted_and_blocked_where_the_managers_own_are(own_page: Page) -> None:
    held = []
    for number in range(MOST_FAILURES):
        guesser = own_page.browser(f"2001:db8::{number + 1:x}")  # one network, of which each client has the whole
        body = json.dumps({"token": f"smt_{number}"}).encode()
        connection = guesser.connect()
        held.append(connection)
        sent = guesser.headers("POST", {"Content-Length": str(len(body))})
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        connection.sendall(f"POST /login HTTP/1.1\r\n{head}\r\n".encode() + body)
        connection.close()  # a guess counts also where nobody waits for the answer
    own_page.server.wait_for_log(r"no logins for address 2001:db8::/64 in the next 300 s")
    assert "address 2001:db8::/64 is blocked for 300 s" in own_page.journal()
    assert "smt_" not in own_page.journal()
    assert own_page.browser("192.0.2.1").log_in("viewer", PASSWORD) == 200


def test_those_who_send_nothing_make_room_for_those_who_ask(open_page: Page) -> None:
    silent = [open_page.browser().connect() for _ in range(MOST_THREADS + 10)]
    half = open_page.browser().headers("POST", {"Content-Length": "10"})
    body = "POST /call HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in half.items()) + "\r\n{"
    for connection, sent in zip(silent, itertools.cycle([b"", b"GET / HT", body.encode()]), strict=False):
        connection.sendall(sent)
    assert open_page.browser().open()["read_only"]
    assert read_to_end(silent[0]) == b""
    assert open_page.server.ask("box look") == "looked\n"
    for connection in silent:
        connection.close()


def test_a_browser_that_reads_nothing_holds_its_own_command_back(closed_page: Page, browser: Browser) -> None:
    slow = closed_page.browser("203.0.113.2")
    slow.ask("POST", "/login", {"token": TOKENS["viewer"]})
    stream = slow.stream("box.flood")
    assert next(stream)[0] == "item"
    assert browser.call("box.look") == "looked"
    assert closed_page.server.ask("box look") == "looked\n"
    assert "box.flood" in closed_page.server.ask("jobs")
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    wait_for(lambda: "box.flood" not in closed_page.server.ask("jobs"), "the command ends with its browser")


def test_two_hundred_open_windows_leave_the_manager_as_quick(open_page: Page) -> None:
    browser = open_page.browser()
    windows = [browser.begin("GET", "/live") for _ in range(200)]
    assert {window.status for window in windows} == {200}
    for window in windows:
        assert window.readline() == b"event: status\n"
    server = open_page.server
    assert server.ask("status").count("running") == 2
    assert browser.open()["read_only"]
    assert open_page.asked() == ["events", "status"]
    assert server.ask("jobs") == ""
    threads = [*Path(f"/proc/{pid_of(server, 'webpage')}/task").iterdir()]
    assert len(threads) < 200 / 2
    for window in windows:
        window.close()
    wait_for(lambda: not open_page.asked(), "nothing is asked where nobody looks")


def test_one_browser_cannot_take_all_windows(open_page: Page) -> None:
    browser = open_page.browser()
    windows = []
    while (window := browser.begin("GET", "/live")).status == 200:
        windows.append(window)
        assert len(windows) < 1000
    assert window.status == 503
    assert "too many windows are open" in window.read().decode()
    assert browser.open()["read_only"]
    for window in windows:
        window.close()


def test_a_user_with_many_logins_takes_no_more_than_with_one(closed_page: Page) -> None:
    windows = []
    for number in range(8):
        browser = closed_page.browser(f"198.51.100.{number}")
        assert browser.ask("POST", "/login", {"token": TOKENS["operator"]})[0] == 200
        windows += [browser.begin("GET", "/live") for _ in range(33)]
    statuses = Counter(window.status for window in windows)
    assert statuses == {200: MOST_WINDOWS // 2, 503: len(windows) - MOST_WINDOWS // 2}
    other = closed_page.browser("192.0.2.201")
    assert other.ask("POST", "/login", {"token": TOKENS["viewer"]})[0] == 200
    assert next(other.live())[0] == "status"
    assert other.call("box.look") == "looked"
    for window in windows:
        window.close()


def test_a_port_that_is_taken_is_told_in_one_line(
    kept: Callable[..., Server], files: Path, free_port: int, directory: Path
) -> None:
    server = kept(f'[web]\nlisten = "127.0.0.1:{free_port}"\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (directory / "smanager.toml").write_text(f'[web]\nlisten = "127.0.0.1:{port}"\n')
        server.ask("reload")
        wait_for(lambda: f"127.0.0.1:{port}: address already in use" in server.ask("why webpage"), "the reason")
        assert "Traceback" not in server.log
    server.ask("restart webpage")
    page_of(server, files)
