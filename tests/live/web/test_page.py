"""The page's server in the running program: what browsers get, who may do what, and what the journal has of it."""

from __future__ import annotations

import json
import socket
import ssl
from functools import partial
from pathlib import Path

import pytest

from smanager.access.users import User, UsersFile
from smanager.web.responses import HEADERS
from tests.conftest import SECONDS, read_to_end, wait_for
from tests.live.security.conftest import PASSWORD, TOKENS
from tests.live.web.browser import call_of
from tests.live.web.conftest import Page

METHOD_NOT_FOUND, FAILED, LOGGED_OUT = -32601, -32000, -32002


def test_a_browser_of_this_machine_looks_and_does_nothing(open_page: Page) -> None:
    browser = open_page.browser()
    status, page = browser.ask("GET", "/")
    assert (status, b"<!doctype html>" in page) == (200, True)
    assert browser.told.items() >= HEADERS.items()
    told = browser.open()
    assert (told["user"], told["read_only"], told["login_needed"], told["roles"]) == (None, True, False, ["view"])
    assert {one["name"] for one in browser.call("status")} == {"box", "webpage"}
    assert browser.call("box.look") == "looked"
    for method in ("box.open", "box.format", "stop", "kill", "no.such"):
        assert browser.call(method)["code"] == METHOD_NOT_FOUND
    assert browser.call("shell.execute", {"line": "box open"})["status"] == 2
    methods = {method["name"] for method in browser.call("rpc.discover")["methods"]}
    assert "box.look" in methods
    assert not {"box.open", "stop"} & methods
    assert open_page.server.ask("webpage") == f"{browser.origin}/\n"


def test_a_browser_learns_that_its_login_is_over_where_others_may_look(open_page: Page) -> None:
    browser = open_page.browser()
    browser.ask("POST", "/login", {"token": TOKENS["viewer"]})
    browser.cookie = browser.cookie[:-1] + ("A" if browser.cookie[-1] != "A" else "B")
    assert browser.ask("POST", "/call", call_of("box.look")) == (401, {"error": "you are logged out: log in again"})
    assert browser.open()["read_only"]
    assert browser.told["Set-Cookie"].endswith("Max-Age=0")
    browser.cookie = ""
    assert browser.call("box.look") == "looked"


def test_a_file_that_a_browser_has_is_not_sent_again(open_page: Page) -> None:
    browser = open_page.browser()
    browser.ask("GET", "/")
    assert browser.ask("GET", "/", If_None_Match=browser.told["ETag"]) == (304, b"")
    assert browser.ask("HEAD", "/?x=1") == (200, b"")
    assert int(browser.told["Content-Length"]) > 0


def test_a_connection_serves_one_request_after_the_other(open_page: Page) -> None:
    with open_page.browser().connect() as connection:
        answers = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{open_page.port}\r\n\r\n".encode())
            head = iter(answers.readline, b"\r\n")
            length = next(int(line.split(b":")[1]) for line in head if line.startswith(b"Content-Length"))
            list(head)
            assert len(answers.read(length)) == length


@pytest.mark.parametrize(
    ("user", "allowed", "denied"),
    [
        ("viewer", {"box.look"}, {"box.open", "box.format"}),
        ("operator", {"box.look", "box.open"}, {"box.format"}),
        ("root", {"box.look", "box.open", "box.format"}, set()),
        ("odd", {"box.open"}, {"box.look", "box.format"}),
    ],
)
def test_a_user_may_do_on_the_page_what_the_roles_allow(
    closed_page: Page, user: str, allowed: set[str], denied: set[str]
) -> None:
    browser = closed_page.browser("192.0.2.1")
    assert browser.open()["login_needed"]
    status, told = browser.ask("POST", "/call", call_of("box.look"))
    assert (status, told) == (401, {"error": "log in first"})
    assert browser.log_in(user, PASSWORD) == 200
    assert browser.cookie.startswith(f"__Host-smanager-{closed_page.port}=")
    assert browser.open()["user"] == user
    assert {method for method in allowed | denied if isinstance(browser.call(method), str)} == allowed
    identity = browser.call("whoami")
    assert (identity["user"], identity["from"]) == (user, "service webpage for 192.0.2.1")
    assert browser.ask("POST", "/logout", {})[0] == 200
    assert browser.open()["user"] is None


def test_a_token_logs_in_and_one_that_has_expired_does_not(closed_page: Page) -> None:
    browser = closed_page.browser("192.0.2.2")
    status, told = browser.ask("POST", "/login", {"token": TOKENS["operator"]})
    assert (status, told["user"]) == (200, "operator")
    status, told = browser.ask("POST", "/login", {"token": TOKENS["late"]})
    assert (status, told) == (401, {"error": "the login is not valid"})
    journal = closed_page.journal()
    assert TOKENS["operator"] not in journal
    assert TOKENS["late"] not in journal


def test_a_certificate_logs_in_by_itself(closed_page: Page, files: Path) -> None:
    browser = closed_page.browser("192.0.2.3")
    browser.tls = ssl.create_default_context(cafile=str(files / "ca.pem"))
    browser.tls.load_cert_chain(files / "operator.pem")
    assert browser.open()["user"] == "operator"
    assert browser.call("whoami")["proof"] == "certificate"
    assert browser.call("box.open") == "opened"


def test_the_journal_names_the_user_the_service_and_the_browsers_address(closed_page: Page) -> None:
    browser = closed_page.browser("192.0.2.4")
    assert browser.log_in("operator", "wrong") == 401
    assert browser.log_in("operator", PASSWORD) == 200
    browser.call("box.unlock", {"pin": "1234"})
    lines = [json.loads(line) for line in closed_page.journal().splitlines()]
    of_browser = [line for line in lines if line.get("from") == "service webpage for 192.0.2.4"]
    assert [(line["event"], line.get("name", line.get("proof"))) for line in of_browser] == [
        ("login failed", "password"),
        ("login", "password"),
        ("command", "box.unlock"),
    ]
    assert {line["user"] for line in of_browser} == {"operator"}
    assert "1234" not in closed_page.journal()
    assert PASSWORD not in closed_page.journal()


def test_a_stream_has_items_progress_and_the_result(closed_page: Page) -> None:
    browser = closed_page.browser("192.0.2.5")
    browser.log_in("operator", PASSWORD)
    seen = list(browser.stream("box.work", {"steps": 3}))
    assert [value for kind, value in seen if kind == "item"] == ["step 0", "step 1", "step 2"]
    progress = [value for kind, value in seen if kind == "progress"]
    assert progress[0] == {"done": 0, "total": 3, "text": "working"}
    assert progress[-1] == {"done": 3, "total": 3, "text": ""}
    assert seen[-1] == ("result", None)
    ((kind, error),) = browser.stream("box.fail")
    assert (kind, error["code"], error["data"]["type"]) == ("error", FAILED, "ValueError")
    assert error == browser.call("box.fail")


def test_a_browser_that_goes_cancels_its_command(closed_page: Page, tmp_path: Path) -> None:
    browser = closed_page.browser("192.0.2.6")
    browser.log_in("operator", PASSWORD)
    for accept in ("text/event-stream", "application/json"):
        mark = tmp_path / accept.replace("/", "-")
        body = json.dumps(call_of("box.wait", {"mark": str(mark)})).encode()
        with browser.connect() as connection:
            sent = browser.headers("POST", {"Accept": accept, "Content-Length": str(len(body))})
            head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
            connection.sendall(f"POST /call HTTP/1.1\r\n{head}\r\n".encode() + body)
            wait_for(mark.exists, "the command runs")
        wait_for(partial(is_gone, mark), "the command is cancelled")


def is_gone(path: Path) -> bool:
    return not path.exists()


def test_what_happens_is_shown_as_it_happens(closed_page: Page) -> None:
    browser = closed_page.browser("192.0.2.7")
    browser.log_in("operator", PASSWORD)
    live = browser.live()
    kind, services = next(live)
    assert (kind, {one["name"]: one["state"] for one in services}["box"]) == ("status", "running")
    browser.call("restart", {"services": ["box"]})
    assert any(kind == "event" and value["service"] == "box" for kind, value in live)
    live.close()  # type: ignore[attr-defined]  # it is a generator
    wait_for(lambda: not closed_page.asked(), "nothing is asked where nobody looks")


def test_a_log_out_leaves_the_users_other_browsers_their_windows(closed_page: Page) -> None:
    first, second = closed_page.browser("192.0.2.20"), closed_page.browser("192.0.2.21")
    first.log_in("operator", PASSWORD)
    second.log_in("operator", PASSWORD)
    ending, lasting = first.live(), second.live()
    assert (next(ending)[0], next(lasting)[0]) == ("status", "status")
    assert first.ask("POST", "/logout", {})[0] == 200
    *_, (kind, error) = ending
    assert (kind, error["message"]) == ("error", "you are logged out")
    assert [next(lasting)[0] for _ in range(2)] == ["status", "status"]


def test_an_administrator_sees_who_is_logged_in_and_ends_a_session(closed_page: Page) -> None:
    browser, admin = closed_page.browser("192.0.2.8"), closed_page.browser("192.0.2.9")
    browser.log_in("operator", PASSWORD)
    admin.log_in("root", PASSWORD)
    live = browser.live()
    next(live)
    sessions = {one["from"]: one for one in admin.call("who")}
    mine = sessions["service webpage for 192.0.2.8"]
    assert (mine["user"], mine["kind"], mine["doing"]) == ("operator", "visitor", "2 requests")
    admin.call("kick", {"session": mine["id"]})
    *_, (kind, error) = live
    assert (kind, error["code"], error["message"]) == ("error", LOGGED_OUT, "your session was ended by root")
    assert browser.ask("POST", "/call", call_of("status"))[0] == 401
    assert browser.open()["user"] is None
    assert admin.call("whoami")["user"] == "root"


def test_what_a_user_may_do_is_looked_up_each_time(own_page: Page) -> None:
    browser, removed = own_page.browser("192.0.2.10"), own_page.browser("192.0.2.11")
    browser.log_in("operator", PASSWORD)
    removed.log_in("root", PASSWORD)
    live, live_removed = browser.live(), removed.live()
    next(live)
    next(live_removed)
    assert browser.call("box.open") == "opened"
    with UsersFile(own_page.server.directory / "smanager-users.json").changed() as users:
        users["operator"] = User("operator", ("view",), users["operator"].password)
        del users["root"]
    status, answer = browser.ask("POST", "/call", call_of("box.open"))
    assert status == 401 or answer["error"]["code"] == LOGGED_OUT
    *_, (kind, error) = live
    assert (kind, error["code"]) == ("error", LOGGED_OUT)
    assert browser.ask("POST", "/call", call_of("box.look"))[0] == 401
    *_, (kind, error) = live_removed  # which asks nothing more
    assert (kind, error["message"]) == ("error", "your user has changed: log in again")
    browser.log_in("operator", PASSWORD)
    assert browser.call("box.open")["code"] == METHOD_NOT_FOUND
    assert browser.call("box.look") == "looked"
    own_page.server.ask("restart webpage")
    assert own_page.server.ask("who").count("visitor") == 0


def test_plain_http_where_tls_is_spoken_is_told_so(closed_page: Page) -> None:
    with socket.create_connection(("127.0.0.1", closed_page.port), SECONDS) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"the page is at https://" in answer


def test_a_renewed_certificate_counts_from_the_next_connection_on(own_page: Page, files: Path) -> None:
    place = ("127.0.0.1", own_page.port)
    before = ssl.get_server_certificate(place)
    served = own_page.server.directory / "server.pem"
    renewed = (files / "operator.pem").read_text()
    served.write_text("damaged")
    assert ssl.get_server_certificate(place) == before
    assert own_page.server.wait_for_log("webpage: the certificate stays as it was: .*server.pem")
    served.write_text(renewed)
    assert ssl.get_server_certificate(place) != before
