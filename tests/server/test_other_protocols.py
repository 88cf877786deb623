"""Other protocols' first lines, however they are split."""

from __future__ import annotations

import pytest

from smanager.server.other_protocols import FIRST_LIMIT, ProtocolCheck
from tests.fuzz import cuts


def protocol_of(pieces: list[bytes]) -> tuple[str, bool]:
    """What the check says of a connection's bytes, and whether it is done."""
    check = ProtocolCheck()
    protocol = next((found for piece in pieces if not check.is_done and (found := check.protocol_of(piece))), "")
    return protocol, check.is_done


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"m1 * HTTP/1.0\n", "HTTP"),
        (b"CONNECT example.org:443 HTTP/1.1\r\n", "HTTP"),
        (b"host: example.org\r\n", "HTTP"),
        (b"say / HTTP/1.1 is a protocol\n", ""),
        (b"help\nGET / HTTP/1.1\r\n", ""),
        (b"\xff\xfd\x01help\n", ""),
    ],
)
def test_a_first_line_shows_its_protocol_in_whatever_pieces_it_comes(data: bytes, protocol: str) -> None:
    for pieces in cuts(data):
        assert protocol_of(pieces) == (protocol, True)


def test_tls_shows_at_once() -> None:
    assert protocol_of([b"\x16\x03\x01\x02\x00"]) == ("TLS", True)
    assert protocol_of([b"hel", b"\x16\x03\x01\n"]) == ("", True)


def test_an_endless_first_line_is_given_up() -> None:
    check = ProtocolCheck()
    assert check.protocol_of(b"x" * (FIRST_LIMIT + 1)) == ""
    assert check.is_done
