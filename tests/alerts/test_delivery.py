"""Deliveries to real commands and servers on loopback: what arrives, and what is said of what does not."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from smanager.alerts.attempts import DeliveryError
from smanager.alerts.command import run
from smanager.alerts.delivery import deliver
from smanager.alerts.incidents import Message
from smanager.alerts.message import Note, note_of
from smanager.config.alert import alert_of
from tests.alerts.receivers import MAIL_PASSWORD, HttpReceiver, MailReceiver, server_context, speaking
from tests.conftest import SECONDS, alive, wait_for

TEXT = 'it said "no"\nand ended'
NOTE = note_of(Message("failed", "web", "", TEXT, 2, 10.0, 20.0), "oncall", "box", "web is failed\n", 30.0)


def give(note: Note = NOTE, base: Path = Path(), **table: Any) -> None:
    asyncio.run(deliver(alert_of("oncall", {"on": ["failed"], **table}, base), note))


def refused(**table: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        give(**table)
    assert "\n" not in str(caught.value)
    return caught.value


# Commands.


def test_a_command_is_given_the_message_as_json_and_in_its_environment(tmp_path: Path) -> None:
    give(command=["sh", "-c", f'cat > {tmp_path}/input; echo "$SMANAGER_SUMMARY" > {tmp_path}/summary'])
    assert json.loads((tmp_path / "input").read_text())["text"] == NOTE.text
    assert (tmp_path / "summary").read_text() == f"{NOTE.summary}\n"


def test_a_command_need_not_read_its_input() -> None:
    give(command=["true"])


@pytest.mark.parametrize(
    ("command", "problem", "is_final"),
    [
        (["sh", "-c", "echo no; exit 3"], "sh: exit status 3", False),
        (["sh", "-c", "kill -9 $$"], "sh: killed by SIGKILL", False),
        (["/no/such/program"], "/no/such/program: no such file or directory", True),
        (["/etc/passwd"], "/etc/passwd: permission denied", True),
    ],
)
def test_what_a_command_failed_with_is_told(command: list[str], problem: str, is_final: bool) -> None:
    error = refused(command=command)
    assert (str(error), error.is_final) == (problem, is_final)


def test_a_command_that_does_not_end_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    script = f"trap '' TERM; sleep 1000 & echo $! > {tmp_path}/pid; wait"
    assert str(refused(command=["sh", "-c", script], timeout=1)) == ("sh: killed, because it did not end within 1 s")
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not alive(pid), "its end")


def test_a_command_that_is_killed_is_reaped_by_who_waits_for_it(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(40):
        with pytest.raises(DeliveryError, match="killed"):
            asyncio.run(run(["sleep", "60"], NOTE, 0.001))
    assert not caplog.records  # asyncio warns of a child that has been reaped behind its back


def test_what_a_command_leaves_behind_is_killed_and_not_waited_for(tmp_path: Path) -> None:
    give(command=["sh", "-c", f"sleep 1000 & echo $! > {tmp_path}/pid"])
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not alive(pid), "its end")


# Webhooks.


def test_a_webhook_is_sent_json(http: HttpReceiver) -> None:
    give(webhook={"url": f"http://127.0.0.1:{http.port}/hook?x=1"})
    (request,) = http.requests
    assert (request.path, request.headers["Content-Type"]) == ("/hook?x=1", "application/json")
    assert request.headers["Host"] == f"127.0.0.1:{http.port}"
    assert request.json["text"] == NOTE.text


def test_a_template_makes_the_body_and_headers_may_have_secrets(
    http: HttpReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{http.port}/T0/secret")
    (tmp_path / "token").write_text("tok\n")
    (tmp_path / "token").chmod(0o600)
    hook = {"url": "${env:HOOK}", "template": '{"a": ["$text"], "n": $count}', "headers": {"x-key": "B ${file:token}"}}
    give(webhook=hook, base=tmp_path)
    (request,) = http.requests
    assert (request.path, request.headers["X-Key"]) == ("/T0/secret", "B tok")
    assert request.json == {"a": [NOTE.text], "n": 2}


def test_a_template_of_text_is_sent_as_it_is(http: HttpReceiver) -> None:
    headers = {"content-type": "text/plain; charset=utf-8", "Title": "alert"}
    give(webhook={"url": f"http://127.0.0.1:{http.port}", "template": "$text ü", "headers": headers})
    (request,) = http.requests
    assert request.headers.get_all("Content-Type") == ["text/plain; charset=utf-8"]
    assert request.body.decode() == f"{NOTE.text} ü"


@pytest.mark.parametrize(
    ("status", "headers", "problem", "is_final", "wait"),
    [
        (404, {}, "127.0.0.1 answered 404 Not Found", True, 0),
        (500, {}, "127.0.0.1 answered 500 Internal Server Error", False, 0),
        (429, {"Retry-After": "7"}, "127.0.0.1 answered 429 Too Many Requests", False, 7),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "127.0.0.1 answered 503 Service Unavailable", False, 0),
        (302, {"Location": "/elsewhere"}, "127.0.0.1 answered 302 Found; url should be where that leads to", True, 0),
        (307, {"Location": "/elsewhere"}, "127.0.0.1 answered 307 Temporary Redirect; url should be", True, 0),
        (599, {}, "127.0.0.1 answered 599", False, 0),
    ],
)
def test_an_answer_says_whether_another_attempt_makes_sense_and_no_redirection_is_followed(
    http: HttpReceiver, status: int, headers: dict[str, str], problem: str, is_final: bool, wait: float
) -> None:
    http.answers = [(status, headers)]
    error = refused(webhook={"url": f"http://127.0.0.1:{http.port}/", "headers": {"Authorization": "Bearer s3cret"}})
    assert str(error).startswith(problem)
    assert "s3cret" not in str(error)
    assert (error.is_final, error.wait, len(http.requests)) == (is_final, wait, 1)


def test_a_certificate_has_to_be_trusted_and_to_name_the_server(https: HttpReceiver, certificates: Path) -> None:
    https.forget()
    url = f"https://127.0.0.1:{https.port}/"
    give(webhook={"url": url, "ca": str(certificates / "ca.pem")})
    assert len(https.requests) == 1
    assert str(refused(webhook={"url": url})) == (
        "127.0.0.1: its certificate cannot be trusted: unable to get local issuer certificate"
    )
    elsewhere = f"https://localhost.localdomain:{https.port}/"
    if socket.getfqdn("localhost.localdomain") != "localhost.localdomain":
        assert "its certificate cannot be trusted" in str(
            refused(webhook={"url": elsewhere, "ca": str(certificates / "ca.pem")})
        )
    assert len(https.requests) == 1
    assert refused(webhook={"url": url, "ca": "/no/such.pem"}).is_final


def test_a_server_that_speaks_no_tls_or_nothing_like_http_is_named(http: HttpReceiver, free_port: int) -> None:
    assert str(refused(webhook={"url": f"https://127.0.0.1:{http.port}"})).startswith("127.0.0.1: TLS failed: ")
    assert str(refused(webhook={"url": f"http://127.0.0.1:{free_port}"})) == "127.0.0.1: connection refused"

    def answer(client: socket.socket) -> None:
        client.recv(9999)
        client.sendall(b"s3cret 1 2 3\r\n\r\n")

    with speaking(answer) as port:
        assert str(refused(webhook={"url": f"http://127.0.0.1:{port}"})) == "127.0.0.1: what it answers is not HTTP"


def drip(client: socket.socket) -> None:
    """One byte of a header after the other, as long as somebody reads them."""
    client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(200):
        client.sendall(b"x")
        time.sleep(0.05)


def hang(client: socket.socket) -> None:
    while client.recv(1000):
        pass


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("say", [drip, hang])
def test_a_slow_server_cannot_stretch_the_deadline(scheme: str, say: Any) -> None:
    with speaking(say) as port:
        error = refused(webhook={"url": f"{scheme}://127.0.0.1:{port}"}, timeout=1)
    assert str(error).startswith("127.0.0.1: ")
    assert say is drip or "no answer within 1 s" in str(error)


def test_no_delivery_waits_for_those_that_a_dead_server_holds_up(http: HttpReceiver) -> None:
    async def at_once(dead: int, alive: int) -> None:
        tables = [
            {"on": ["failed"], "webhook": {"url": f"http://127.0.0.1:{port}/"}, "timeout": SECONDS}
            for port in [*[dead] * 40, alive]
        ]
        deliveries = [asyncio.ensure_future(deliver(alert_of("x", table, Path()), NOTE)) for table in tables]
        await deliveries.pop()
        assert not any(one.done() for one in deliveries)
        for one in deliveries:
            one.cancel()
        await asyncio.wait(deliveries)

    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        asyncio.run(asyncio.wait_for(at_once(silent.getsockname()[1], http.port), SECONDS / 2))
    assert len(http.requests) == 1


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("ftp://host/", "url should begin with http:// or https:// and a host"),
        ("https://u:p@host/", "url should begin with"),
        ("https://", "url should begin with"),
        ("https://host:99999/", "url should begin with"),
        ("https://host/a b", "url should have no blanks"),
    ],
)
def test_a_url_that_is_none_is_told_without_it(secret: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", secret)
    error = refused(webhook={"url": "${env:HOOK}"})
    assert problem in str(error)
    assert secret not in str(error)
    assert error.is_final


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    error = refused(webhook={"url": "${file:url}"}, base=tmp_path)
    assert (str(error), error.is_final) == (f"{tmp_path}/url: no such file or directory", True)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            {"webhook": {"url": "http://127.0.0.1:1", "headers": {"Authorization": "${env:TOKEN}"}}},
            "the header Authorization should have only characters of Latin-1",
        ),
        (
            {"mail": {"password": "${env:TOKEN}"}},
            "user and password should have only ASCII characters",
        ),
        ({"webhook": {"url": f"http://{'a' * 64}.org"}}, f"{'a' * 64}.org is not a valid host name"),
        ({"mail": {"server": f"{'a' * 64}.org:25"}}, f"{'a' * 64}.org is not a valid host name"),
    ],
)
def test_what_a_client_cannot_encode_is_named_and_not_tried_again(
    table: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "p\u00e4ss\u20ac")
    if "mail" in table:
        addresses = {"to": ["ops@example.org"], "sender": "box@example.org", "user": "box"}
        table = {"mail": {"server": "127.0.0.1:1", "password": "secret", **addresses, **table["mail"]}}
    error = refused(**table)
    assert (str(error), error.is_final) == (problem, True)


# Mail.


def mail(receiver: MailReceiver, **table: Any) -> dict[str, Any]:
    server = f"127.0.0.1:{receiver.port}"
    return {"to": ["ops@example.org"], "sender": "box@example.org", "server": server, "tls": "none", **table}


def test_a_mail_has_the_message(mail_server: MailReceiver) -> None:
    mail_server.mails.clear()
    give(mail=mail(mail_server, to=["ops@example.org", "ann@example.org"]))
    (envelope,) = mail_server.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("box@example.org", ["ops@example.org", "ann@example.org"])
    read = message_from_bytes(envelope.content, policy=policy.default)
    assert read["Subject"] == '[box] web failed (2 times): it said "no" and ended'
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Message-ID"].endswith("@example.org>")
    assert read.get_content().replace("\r\n", "\n").rstrip() == NOTE.text.rstrip()


def test_a_mail_goes_by_starttls_with_a_login(
    mail_server_with_tls: MailReceiver, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", MAIL_PASSWORD)
    mail_server_with_tls.mails.clear()
    own = {"tls": "starttls", "ca": str(certificates / "ca.pem"), "user": "box", "password": "${env:PASSWORD}"}
    give(mail=mail(mail_server_with_tls, **own))
    assert len(mail_server_with_tls.mails) == 1
    by_the_system = {key: value for key, value in own.items() if key != "ca"}
    untrusted = refused(mail=mail(mail_server_with_tls, **by_the_system))
    assert "its certificate cannot be trusted" in str(untrusted)
    monkeypatch.setenv("PASSWORD", "wrong-s3cret")
    wrong = refused(mail=mail(mail_server_with_tls, **own))
    assert (str(wrong), wrong.is_final) == ("127.0.0.1 does not take the user and password", True)
    assert len(mail_server_with_tls.mails) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # which the server does not know of
def test_a_mail_goes_by_tls_from_the_start(certificates: Path) -> None:
    receiver = MailReceiver(server_context(certificates), from_the_start=True)
    try:
        own = {"tls": "tls", "ca": str(certificates / "ca.pem"), "user": "box", "password": MAIL_PASSWORD}
        give(mail=mail(receiver, **own))
        assert len(receiver.mails) == 1
    finally:
        receiver.close()


def test_nothing_is_sent_without_the_tls_that_is_asked_for(mail_server: MailReceiver) -> None:
    mail_server.mails.clear()
    error = refused(mail=mail(mail_server, tls="starttls"))
    assert (str(error), error.is_final) == ("127.0.0.1 does not offer what is needed: STARTTLS, or a login", True)
    assert not mail_server.mails


def test_addresses_that_a_server_refuses_are_told(mail_server: MailReceiver) -> None:
    none = refused(mail=mail(mail_server, to=["nobody@example.org"]))
    assert (str(none), none.is_final) == ("127.0.0.1 takes no mail for any of the addresses", True)
    some = refused(mail=mail(mail_server, to=["ops@example.org", "nobody@example.org"]))
    assert str(some) == "127.0.0.1 takes no mail for nobody@example.org"


@pytest.mark.parametrize(
    ("says", "problem", "is_final"),
    [
        (b"554 s3cret\r\n", "127.0.0.1 answered 554", True),
        (b"421 s3cret\r\n", "127.0.0.1 answered 421", False),
        (b"nonsense\r\n", "127.0.0.1 answered -1", False),
        (b"", "127.0.0.1 has closed the connection", False),
    ],
)
def test_what_a_mail_server_says_is_not_repeated(says: bytes, problem: str, is_final: bool) -> None:
    with speaking(lambda client: client.sendall(says)) as port:
        table = {"to": ["a@b.c"], "sender": "a@b.c", "server": f"127.0.0.1:{port}", "tls": "none"}
        error = refused(mail=table)
    assert (str(error), error.is_final) == (problem, is_final)


def test_a_mail_server_that_says_nothing_costs_no_more_than_the_deadline() -> None:
    with speaking(hang) as port:
        table = {"to": ["a@b.c"], "sender": "a@b.c", "server": f"127.0.0.1:{port}", "tls": "tls"}
        assert str(refused(mail=table, timeout=1)).startswith("127.0.0.1: no answer")
