"""The client's half of the telnet protocol: bytes in, bytes out."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tshell

SIZE = os.terminal_size((101, 33))


IAC, SB, SE, WILL, WONT, DO, DONT = b"\xff", b"\xfa", b"\xf0", b"\xfb", b"\xfc", b"\xfd", b"\xfe"


NAMES = {
    "IAC": 255, "DONT": 254, "DO": 253, "WONT": 252, "WILL": 251, "SB": 250, "GA": 249, "NOP": 241, "SE": 240,
    "ECHO": 1, "SGA": 3, "TM": 6, "TTYPE": 24, "NAWS": 31, "LINEMODE": 34, "IS": 0, "SEND": 1,
}  # fmt: skip


def wire(text: str) -> bytes:
    """Bytes from the names of RFC 854's codes; other words, and numbers, stand for themselves."""
    return b"".join(
        bytes([NAMES[word]]) if word in NAMES else bytes([int(word)]) if word.isdigit() else word.encode()
        for word in text.split()
    )


def codec() -> tshell.Telnet:
    return tshell.Telnet("xterm", SIZE)


@pytest.mark.parametrize(
    ("received", "text", "answer"),
    [
        ("hello", "hello", ""),
        ("a IAC IAC b", "a IAC b", ""),
        ("a IAC NOP b IAC GA c", "abc", ""),
        ("IAC WILL ECHO IAC WILL SGA", "", ""),
        ("IAC DO NAWS", "", "IAC SB NAWS 0 101 0 33 IAC SE"),
        ("IAC DO NAWS IAC DO NAWS", "", "IAC SB NAWS 0 101 0 33 IAC SE"),
        ("IAC DO TTYPE IAC SB TTYPE SEND IAC SE", "", "IAC SB TTYPE IS xterm IAC SE"),
        ("IAC DO LINEMODE IAC DO LINEMODE IAC WILL 99 IAC WILL 99", "", "IAC WONT LINEMODE IAC DONT 99"),
        ("IAC DO ECHO", "", "IAC WONT ECHO"),
        ("IAC DONT NAWS IAC WONT ECHO", "", ""),
        ("IAC DO TM x IAC DO TM", "x", "IAC WONT TM IAC WONT TM"),
        ("a IAC SB 99 b IAC IAC SE c IAC SE d", "ad", ""),
        ("IAC SB 99 b IAC DO LINEMODE c", "c", "IAC WONT LINEMODE"),
        ("IAC SB IAC SE x", "x", ""),
    ],
)
def test_what_the_server_sends_is_shown_and_answered(received: str, text: str, answer: str) -> None:
    assert codec().receive(wire(received)) == (wire(text), wire(answer))


SEQUENCES = st.sampled_from([wire(name) for name in [*NAMES, "IAC IAC", "IAC DO", "IAC SB TTYPE SEND IAC SE"]])


STREAMS = st.lists(SEQUENCES | st.binary(max_size=4), max_size=40).map(b"".join)


@given(STREAMS, st.data())
def test_any_split_of_the_bytes_gives_the_same_result(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    split = codec()
    pieces = [split.receive(stream[start:end]) for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    shown, answers = codec().receive(stream)
    assert b"".join(text for text, _ in pieces) == shown
    assert b"".join(answer for _, answer in pieces) == answers


@given(st.binary())
def test_text_passes_through_whole_if_its_ff_bytes_are_doubled(text: bytes) -> None:
    assert codec().receive(text.replace(IAC, IAC + IAC)) == (text, b"")


def test_a_subnegotiation_without_end_is_not_kept() -> None:
    telnet = codec()
    telnet.receive(IAC + SB + b"x" * 200)
    with pytest.raises(ConnectionError, match="more than 256 bytes"):
        telnet.receive(b"x" * 100)


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((80, 24), "0 80 0 24"),
        ((255, 30), "0 IAC IAC 0 30"),
        ((0, 0), "0 0 0 0"),
        ((511, 65535), "1 IAC IAC IAC IAC IAC IAC"),
    ],
)
def test_a_resize_is_sent_once_the_server_has_asked(size: tuple[int, int], sent: str) -> None:
    telnet = codec()
    assert telnet.resize(os.terminal_size((1, 1))) == b""
    telnet.receive(wire("IAC DO NAWS"))
    assert telnet.resize(os.terminal_size(size)) == wire(f"IAC SB NAWS {sent} IAC SE")
