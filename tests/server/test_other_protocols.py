"""Other protocols' first lines, however they are split."""

from __future__ import annotations

import pytest

from smanager.server.other_protocols import FIRST_LIMIT, FIRST_LINES, ProtocolCheck
from tests.fuzz import cuts


def protocol_of(pieces: list[bytes]) -> tuple[str, bool]:
    """What the check says of a connection's bytes, and whether it is done."""
    check = ProtocolCheck()
    protocol = next((found for piece in pieces if not check.is_done and (found := check.protocol_of(piece))), "")
    return protocol, check.is_done


REQUEST = b"GET / HTTP/1.1\r\nHost: box\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"m1 * HTTP/1.0\n", "HTTP"),
        (b"CONNECT example.org:443 HTTP/1.1\r\n", "HTTP"),
        (b"GET /box open HTTP/1.1\r\n", "HTTP"),
        (b"GET box open\tHTTP/1.1 \r\n", "HTTP"),
        (b"get / http/1.1\r", "HTTP"),
        (b"host: example.org\r\n", "HTTP"),
        (b"Host : example.org\r\n", "HTTP"),
        (b"\r\n\n \t\r\n" + REQUEST, "HTTP"),
        (b"\r\r\0 \n" + REQUEST, "HTTP"),
        (b"\r\n" * 1000 + REQUEST, "HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (b"OPTIONS rtsp://box/ RTSP/1.0\r\nCSeq: 1\r\n", "HTTP"),
        (b"INVITE sip:anna@box SIP/2.0\r\n", "HTTP"),
        (b"CLIENT libcurl 7.88.1\r\nbox open\r\nQUIT\r\n", "DICT"),
        (b"*2\r\n$3\r\nGET\r\n$8\r\nbox open\r\n", "Redis"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY"),
        (b"\r\n\r\n\0\r\nQUIT\n", "binary"),  # the PROXY protocol, version 2
        (b"\x10\x1a\0\x04MQTT\x04\xc2\0<\0\x04curl\0\nbox open\n", "binary"),
        (b"\x30\x1b\x02\x01\x01\x60\x16\x02\x01\x03\x04\nbox open\n", "binary"),  # LDAP
        (b"\0\0\0\x45\xffSMB", "binary"),
        (b"\x05\x01\0", "binary"),  # SOCKS
        (b"say / HTTP/1.1 is a protocol\n", ""),
        (b"say 'GET / HTTP/1.1'\n", ""),
        (b"say HTTP/2\n", ""),
        (b"say Host: box\n", ""),
        (b"hosts\n", ""),
        (b"host web\n", ""),
        (b"client list\n", ""),
        (b"* x\n", ""),
        (b'{"params": "GET / HTTP/1.1"}\n', ""),
        (b"{\0\x02\x01\n", ""),
        (b"\r\0\r\nhelp\r\n", ""),  # a person who presses Enter, whose telnet client sends it as CR NUL
        ("sätze \x1b[A\x01\n".encode(), ""),
        (b"\xff\xfd\x01help\n", ""),
        (b"\xff\xfd\x01say GET / HTTP/1.1\r\0", ""),  # a telnet client's person may say so
    ],
)
def test_first_lines_show_their_protocol_in_whatever_pieces_they_come(data: bytes, protocol: str) -> None:
    for pieces in cuts(data[-2000:]):
        found, is_done = protocol_of(pieces)
        assert found == protocol
        assert is_done or not protocol


@pytest.mark.parametrize(
    "before", [b"help\n", b"box open\r\n", b"a\nb\n\nc\r\n", b"x\n" * (FIRST_LINES - 2), b"help\r"]
)
def test_what_comes_together_with_a_request_is_refused_with_it(before: bytes) -> None:
    for request in (REQUEST, b"Host: box", b"m / HTTP/1.1"):
        assert protocol_of([before + request]) == ("HTTP", True)


@pytest.mark.parametrize("before", [[b"help\n"], [b"he", b"lp\r", b"\nhelp\r\n"], [b"x\n"] * (FIRST_LINES - 1)])
def test_a_request_after_earlier_pieces_is_refused(before: list[bytes]) -> None:
    for request in ([REQUEST], [b"Ho", b"st: box\n"], [b"m / HTT", b"P/1.1\r", b"\n"], [b"\r\n", REQUEST]):
        if len(before) + len(request) <= FIRST_LINES:
            assert protocol_of([*before, *request]) == ("HTTP", True)


def test_later_lines_may_be_anything() -> None:
    assert protocol_of([b"help\n" * FIRST_LINES + REQUEST]) == ("", True)
    assert protocol_of([b"help\n"] * FIRST_LINES + [REQUEST]) == ("", True)
    assert protocol_of([b"help\n", b"\xff\xfd\x01say \0\x02\x01\n", b"\x16\x03\n", b"*2\n"]) == ("", False)


@pytest.mark.parametrize("begin", [b"{}\n", b"[\n"])
def test_a_programs_later_lines_are_not_looked_at(begin: bytes) -> None:
    assert protocol_of([begin, REQUEST]) == ("", True)


def test_tls_shows_at_once() -> None:
    assert protocol_of([b"\x16\x03\x01\x02\x00"]) == ("TLS", True)
    assert protocol_of([b"\x16", b"\x03\x01"]) == ("TLS", True)
    assert protocol_of([b"hel", b"\x16\x03\x01\n"]) == ("", False)


def test_blank_lines_are_not_kept() -> None:
    check = ProtocolCheck()
    for _ in range(10):
        assert check.protocol_of(b"\r\n" * 1000) == ""
    assert not check.is_done
    assert not check._data


def test_an_endless_first_line_is_given_up() -> None:
    check = ProtocolCheck()
    assert check.protocol_of(b"x" * (FIRST_LIMIT + 1)) == ""
    assert check.is_done
