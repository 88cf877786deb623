"""The telnet codec: what real clients were seen to say, what hostile ones could, and any bytes at all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from string import ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.server import telnet
from smanager.server.telnet import (
    SUBNEGOTIATION_LIMIT,
    Signal,
    TelnetCodec,
    TelnetEvent,
    TerminalType,
    WindowSize,
    escape,
)

# From the RFCs 854, 855, 857 to 860, 1091, 1073, 1184 and IANA's list of options, not from the codec.
CODES = {
    "EOF": 236, "SUSP": 237, "ABORT": 238, "SE": 240, "NOP": 241, "DM": 242, "BRK": 243, "IP": 244, "AO": 245,
    "AYT": 246, "EC": 247, "EL": 248, "GA": 249, "SB": 250, "WILL": 251, "WONT": 252, "DO": 253, "DONT": 254,
    "IAC": 255,
    "IS": 0, "SEND": 1,
    "BINARY": 0, "ECHO": 1, "SGA": 3, "STATUS": 5, "TM": 6, "TTYPE": 24, "NAWS": 31, "TSPEED": 32, "LFLOW": 33,
    "LINEMODE": 34, "AUTH": 37, "ENCRYPT": 38, "NEW-ENVIRON": 39,
}  # fmt: skip

SIGNALS = {
    "IP": Signal.INTERRUPT,
    "BRK": Signal.INTERRUPT,
    "ABORT": Signal.INTERRUPT,
    "SUSP": Signal.INTERRUPT,
    "EOF": Signal.END_OF_FILE,
    "AYT": Signal.ARE_YOU_THERE,
    "EC": Signal.ERASE_CHARACTER,
    "EL": Signal.ERASE_LINE,
}


def said(commands: str) -> bytes:
    """The bytes of a transcript such as `DO ECHO, SB NAWS 0 80 0 24`: each command begins with IAC."""
    spoken = b""
    for command in filter(None, commands.split(", ")):
        spoken += bytes([255, *(CODES[word] if word in CODES else int(word) for word in command.split())])
        if command.startswith("SB"):
            spoken += bytes([255, 240])
    return spoken


def terminal_type(name: bytes) -> bytes:
    return bytes([255, 250, 24, 0]) + name + bytes([255, 240])


OFFER = said("WILL ECHO, WILL SGA, DO NAWS, DO TTYPE")
CONSENT = said("DO ECHO, DO SGA, WILL NAWS, SB NAWS 0 80 0 24, WILL TTYPE")
REFUSAL = said("DONT ECHO, DONT SGA, WONT NAWS, WONT TTYPE")
ASK_TERMINAL_TYPE = said("SB TTYPE SEND")


def offered() -> TelnetCodec:
    """A codec whose offer is on its way."""
    codec = TelnetCodec()
    codec.offer()
    assert codec.take_output() == OFFER
    return codec


def agreed() -> TelnetCodec:
    """A codec with a client in character mode."""
    codec = offered()
    codec.receive(CONSENT)
    codec.take_output()
    assert codec.echoes
    return codec


def answer(codec: TelnetCodec, data: bytes) -> bytes:
    """What the codec says to these bytes, which hold nothing else."""
    assert codec.receive(data) == []
    return codec.take_output()


# What real clients say


@dataclass(frozen=True)
class Transcript:
    """One client's first words, measured."""

    client: str
    opening: bytes = b""  # before it has heard anything
    granted: bytes = b""  # our answer to that
    offer: bytes = OFFER  # what is left to ask for
    answer: bytes = b""  # the client's to our offer
    reply: bytes = b""  # ours to that
    later: bytes = b""  # what the client says to our reply
    events: list[TelnetEvent] = field(default_factory=list)
    echoes: bool = False
    declines: bool = False


TRANSCRIPTS = [
    Transcript(
        "inetutils",
        answer=CONSENT,
        reply=ASK_TERMINAL_TYPE,
        later=terminal_type(b"SCREEN-256COLOR"),
        events=[WindowSize(80, 24), TerminalType("screen-256color")],
        echoes=True,
    ),
    Transcript(
        "busybox",
        answer=CONSENT,
        reply=ASK_TERMINAL_TYPE,
        later=terminal_type(b"screen-256color"),
        events=[WindowSize(80, 24), TerminalType("screen-256color")],
        echoes=True,
    ),
    Transcript(
        "PuTTY, which speaks first",
        opening=said("WILL NAWS, WILL TSPEED, WILL TTYPE, WILL NEW-ENVIRON, DO ECHO, WILL SGA, DO SGA"),
        granted=said("DO NAWS, DONT TSPEED, DO TTYPE, SB TTYPE SEND, DONT NEW-ENVIRON, WILL ECHO, DO SGA, WILL SGA"),
        offer=b"",
        answer=said("SB NAWS 0 80 0 24") + terminal_type(b"XTERM"),
        events=[WindowSize(80, 24), TerminalType("xterm")],
        echoes=True,
    ),
    Transcript(
        "inetutils on port 23, which speaks first",
        opening=said(
            "DO ENCRYPT, WILL ENCRYPT, DO SGA, WILL TTYPE, WILL NAWS, WILL TSPEED, WILL LFLOW, WILL LINEMODE, "
            "WILL NEW-ENVIRON, DO STATUS"
        ),
        granted=said(
            "WONT ENCRYPT, DONT ENCRYPT, WILL SGA, DO TTYPE, SB TTYPE SEND, DO NAWS, DONT TSPEED, DONT LFLOW, "
            "DONT LINEMODE, DONT NEW-ENVIRON, WONT STATUS"
        ),
        offer=said("WILL ECHO"),
        answer=said("SB NAWS 0 80 0 24") + terminal_type(b"SCREEN") + said("DO ECHO"),
        events=[WindowSize(80, 24), TerminalType("screen")],
        echoes=True,
    ),
    Transcript(
        "curl, which has no window",
        answer=said("DO ECHO, DO SGA, WILL NAWS, SB NAWS 0 0 0 0, WONT TTYPE"),
        events=[WindowSize(0, 0)],
        echoes=True,
    ),
    Transcript("telnetlib, nc -t and ncat -t, which refuse all", answer=REFUSAL, declines=True),
    Transcript("one that refuses only our echo", answer=said("DONT ECHO, DO SGA"), declines=True),
    Transcript("nc with a person", answer=b"hostname\n", events=[b"hostname\n"]),
]


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.client)
def test_a_real_clients_first_words_are_answered_as_it_expects(transcript: Transcript) -> None:
    codec = TelnetCodec()
    assert codec.receive(transcript.opening) == []
    assert codec.take_output() == transcript.granted
    codec.offer()
    assert codec.take_output() == transcript.offer
    events = codec.receive(transcript.answer)
    assert codec.take_output() == transcript.reply
    events += codec.receive(transcript.later)
    assert codec.take_output() == b""
    assert events == transcript.events
    assert (codec.echoes, codec.declines) == (transcript.echoes, transcript.declines)


def test_a_client_that_says_nothing_has_neither_agreed_nor_declined() -> None:
    codec = offered()
    assert (codec.answered, codec.echoes, codec.declines) == (False, False, False)


def test_text_alone_and_a_doubled_iac_do_not_show_that_a_client_speaks_telnet() -> None:
    codec = offered()
    codec.receive(b"hostname\xff\xff\n")
    assert not codec.answered
    codec.receive(said("NOP"))
    assert codec.answered


@pytest.mark.parametrize(
    ("key", "sent", "event", "reply"),
    [
        ("Ctrl-C in inetutils' line mode", "IP, DO TM", Signal.INTERRUPT, "WILL TM"),
        ("Ctrl-Z in inetutils' line mode", "SUSP, DO TM", Signal.INTERRUPT, "WILL TM"),
        ("Ctrl-\\ in inetutils' line mode", "BRK, DO TM", Signal.INTERRUPT, "WILL TM"),
        ("Ctrl-D in plink's line mode", "EOF", Signal.END_OF_FILE, ""),
    ],
)
def test_a_line_mode_clients_key_is_a_signal(key: str, sent: str, event: TelnetEvent, reply: str) -> None:
    codec = TelnetCodec()
    for _ in range(3):
        assert codec.receive(said(sent)) == [event], key
        assert codec.take_output() == said(reply), key


def test_a_timing_mark_is_answered_every_time_and_in_every_state() -> None:
    for codec in (TelnetCodec(), offered(), agreed()):
        assert answer(codec, said("DO TM, DO TM")) == said("WILL TM, WILL TM")
        assert answer(codec, said("DO TM")) == said("WILL TM")
        assert answer(codec, said("DONT TM")) == b""


def test_commands_that_ask_for_nothing_are_dropped() -> None:
    synch_and_more = said("DM, NOP, GA, AO, SE")
    assert TelnetCodec().receive(b"a" + synch_and_more + b"b") == [b"a", b"b"]
    assert TelnetCodec().receive(b"\xff\x00\r") == [b"\r"]  # ncat -t's answer to what it does not know


def test_a_real_clients_resize_arrives_between_the_keys() -> None:
    events = agreed().receive(b"up" + said("SB NAWS 0 101 0 33, SB NAWS 0 101 0 33") + b"time\r\0")
    assert events == [b"up", WindowSize(101, 33), WindowSize(101, 33), b"time\r\0"]


# Options


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        ("DO BINARY", "WONT BINARY"),
        ("WILL BINARY", "DONT BINARY"),
        ("WILL ECHO", "DONT ECHO"),  # or two ends would echo each other
        ("WILL LINEMODE", "DONT LINEMODE"),
        ("DO NAWS", "WONT NAWS"),
        ("WILL TM", "DONT TM"),
        ("WILL 255", "DONT 255"),
    ],
)
def test_an_option_that_is_not_wanted_is_refused_once(request_: str, refusal: str) -> None:
    codec = TelnetCodec()
    undo = request_.replace("DO", "DONT").replace("WILL", "WONT")
    assert answer(codec, said(f"{request_}, {undo}, {request_}, {undo}") * 1000) == said(refusal)


@pytest.mark.parametrize("change", ["DO ECHO", "DO SGA", "WILL NAWS", "WILL TTYPE"])
def test_a_request_that_changes_nothing_is_not_answered(change: str) -> None:
    assert answer(agreed(), said(change) * 1000) == b""


@pytest.mark.parametrize(
    ("off", "confirmed", "on", "granted"),
    [
        ("DONT ECHO", "WONT ECHO", "DO ECHO", "WILL ECHO"),
        ("DONT SGA", "WONT SGA", "DO SGA", "WILL SGA"),
        ("WONT NAWS", "DONT NAWS", "WILL NAWS", "DO NAWS"),
        ("WONT TTYPE", "DONT TTYPE", "WILL TTYPE", "DO TTYPE, SB TTYPE SEND"),
    ],
)
def test_a_client_may_turn_an_option_off_and_on_again(off: str, confirmed: str, on: str, granted: str) -> None:
    codec = agreed()
    assert answer(codec, said(off)) == said(confirmed)
    assert answer(codec, said(off)) == b""
    assert answer(codec, said(on)) == said(granted)
    assert codec.echoes


def test_a_client_that_refused_may_agree_later() -> None:
    codec = offered()
    assert answer(codec, REFUSAL) == b""
    assert codec.declines
    assert answer(codec, said("DO ECHO, DO SGA")) == said("WILL ECHO, WILL SGA")
    assert codec.echoes
    assert not codec.declines


def test_an_offer_is_made_once_while_it_is_unanswered_and_after_it_is_agreed() -> None:
    for codec in (offered(), agreed()):
        codec.offer()
        assert codec.take_output() == b""


def test_an_offer_that_was_refused_is_not_made_again() -> None:
    codec = offered()
    answer(codec, REFUSAL)
    codec.offer()
    assert codec.take_output() == b""
    assert codec.declines


def test_line_editing_is_handed_back_once_and_for_good() -> None:
    codec = agreed()
    codec.hand_back()
    assert codec.take_output() == said("WONT ECHO, WONT SGA")
    codec.hand_back()
    assert answer(codec, said("DONT ECHO, DONT SGA, DO ECHO, DO SGA")) == b""
    assert codec.declines


def test_a_client_that_agrees_to_an_offer_after_it_was_withdrawn_is_not_believed() -> None:
    codec = offered()
    codec.hand_back()
    assert codec.take_output() == said("WONT ECHO, WONT SGA")
    assert answer(codec, said("DO ECHO, DO SGA, DONT ECHO, DONT SGA")) == b""
    assert codec.declines


# Subnegotiations


@pytest.mark.parametrize(
    ("sent", "size"),
    [
        ("SB NAWS 0 80 0 24", WindowSize(80, 24)),
        ("SB NAWS 0 255 255 0 30", WindowSize(255, 30)),  # a 255 is doubled
        ("SB NAWS 255 255 255 255 255 255 255 255", WindowSize(65535, 65535)),
        ("SB NAWS 0 0 0 0", WindowSize(0, 0)),  # unknown, which is not the codec's to judge
    ],
)
def test_a_window_size_is_two_numbers_of_two_bytes(sent: str, size: WindowSize) -> None:
    assert TelnetCodec().receive(said(sent)) == [size]


@pytest.mark.parametrize("sent", ["SB NAWS 0 80 0", "SB NAWS 0 80 0 24 0", "SB NAWS", "SB", "SB TTYPE SEND", "SB 99 1"])
def test_a_subnegotiation_that_makes_no_sense_is_dropped(sent: str) -> None:
    codec = TelnetCodec()
    assert codec.receive(b"a" + said(sent) + b"b") == [b"a", b"b"]
    assert codec.take_output() == b""


@pytest.mark.parametrize("name", [b"XTERM", b"screen-256color", b"vt100.x_y+z", b"x" * 40])
def test_a_terminals_name_is_taken_in_lower_case(name: bytes) -> None:
    assert TelnetCodec().receive(terminal_type(name)) == [TerminalType(name.decode().lower())]


@pytest.mark.parametrize("name", [b"", b"-f root", b"x" * 41, b"\x1b[2J", b"xterm\n", b"../x", b"caf\xc3\xa9", b"a\0b"])
def test_a_terminals_name_that_could_do_harm_is_dropped(name: bytes) -> None:
    assert TelnetCodec().receive(terminal_type(name)) == []


def test_another_command_cuts_a_subnegotiation_off() -> None:
    unfinished = said("SB NAWS 0 80").removesuffix(said("SE"))
    assert TelnetCodec().receive(unfinished + said("SB NAWS 0 90 0 30")) == [WindowSize(90, 30)]
    assert TelnetCodec().receive(unfinished + said("IP") + b"a") == [Signal.INTERRUPT, b"a"]
    codec = TelnetCodec()
    assert answer(codec, unfinished + said("DO TM")) == said("WILL TM")


@pytest.mark.parametrize("flood", [b"x", b"\0", b"\xff\xff"], ids=["text", "zeros", "doubled IAC"])
def test_a_subnegotiation_without_end_keeps_no_more_than_its_limit(flood: bytes) -> None:
    assert SUBNEGOTIATION_LIMIT == 256
    codec = TelnetCodec()
    codec.receive(said("SB TTYPE IS").removesuffix(said("SE")))
    chunk = flood * 64
    codec.receive(chunk)
    tracemalloc.start()
    try:
        for _ in range(100):
            codec.receive(chunk)
        ours = tracemalloc.Filter(True, telnet.__file__)  # other threads of the test run allocate as well
        traces = tracemalloc.take_snapshot().filter_traces([ours]).traces
    finally:
        tracemalloc.stop()
    assert sum(trace.size for trace in traces) < 2 * SUBNEGOTIATION_LIMIT
    assert codec.receive(said("SE") + b"a") == [b"a"]


def test_what_is_beyond_the_limit_does_not_make_a_subnegotiation_valid() -> None:
    assert TelnetCodec().receive(terminal_type(b"x" * 100_000)) == []
    assert TelnetCodec().receive(said("SB NAWS 0 80 0 24" + " 0" * SUBNEGOTIATION_LIMIT)) == []


# Any bytes, cut anywhere

telnet_bytes = st.lists(
    st.sampled_from([bytes([255, code]) for code in range(236, 256)])
    | st.sampled_from([bytes([code]) for code in (*CODES.values(), 99)])
    | st.sampled_from([OFFER, CONSENT, REFUSAL, said("DO TM"), b"hostname\r\n", terminal_type(b"XTERM")])
    | st.binary(max_size=8)
).map(b"".join)

# What a peer may ask before it has heard anything: each option of each end once.
requests = st.lists(
    st.tuples(
        st.sampled_from(["DO", "DONT", "WILL", "WONT"]), st.sampled_from(["ECHO", "SGA", "TM", "TTYPE", "NAWS", "99"])
    ),
    unique_by=lambda request: (request[0][0], request[1]),
).map(lambda asked: said(", ".join(map(" ".join, asked))))

EXCHANGES = 6
"""Two ends that agree on anything at all have done so by then."""

cuts = st.lists(st.integers(0, 400), max_size=12)


def cut_up(data: bytes, places: Sequence[int]) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *sorted(places), len(data)])]


def merged(events: list[TelnetEvent]) -> list[TelnetEvent]:
    """The events, with text in one piece from one other event to the next."""
    whole: list[TelnetEvent] = []
    for event in events:
        if isinstance(event, bytes) and whole and isinstance(whole[-1], bytes):
            whole[-1] += event
        else:
            whole.append(event)
    return whole


def encoded(event: TelnetEvent) -> bytes:
    """What a client sends to say this."""
    match event:
        case bytes():
            return event.replace(b"\xff", b"\xff\xff")
        case Signal():
            return said(next(name for name, signal in SIGNALS.items() if signal is event))
        case WindowSize(columns, rows):
            size = columns.to_bytes(2) + rows.to_bytes(2)
            return bytes([255, 250, 31]) + size.replace(b"\xff", b"\xff\xff") + bytes([255, 240])
        case TerminalType(name):
            return terminal_type(name.encode())


@pytest.mark.parametrize(("command", "signal"), SIGNALS.items())
def test_each_command_of_the_nvt_keyboard_is_its_signal(command: str, signal: Signal) -> None:
    assert TelnetCodec().receive(said(command)) == [signal]


@given(
    st.lists(
        st.binary(min_size=1)
        | st.sampled_from(Signal)
        | st.builds(WindowSize, st.integers(0, 65535), st.integers(0, 65535))
        | st.builds(TerminalType, st.text(f"{ascii_lowercase}{digits}._+-", min_size=1, max_size=40))
    ),
    cuts,
)
def test_text_and_all_else_arrive_in_the_order_they_were_sent(sent: list[TelnetEvent], places: list[int]) -> None:
    codec = TelnetCodec()
    arrived: list[TelnetEvent] = []
    for piece in cut_up(b"".join(map(encoded, sent)), places):
        arrived += codec.receive(piece)
    assert merged(arrived) == merged(sent)


@given(telnet_bytes, cuts, st.booleans())
def test_any_bytes_mean_the_same_however_they_are_cut(data: bytes, places: list[int], offers: bool) -> None:
    whole, cut = TelnetCodec(), TelnetCodec()
    if offers:
        whole.offer()
        cut.offer()
    events = merged(whole.receive(data))
    assert merged([event for piece in cut_up(data, places) for event in cut.receive(piece)]) == events
    assert cut.take_output() == whole.take_output()
    assert (cut.answered, cut.echoes, cut.declines) == (whole.answered, whole.echoes, whole.declines)


@given(telnet_bytes)
def test_a_flood_is_answered_with_no_more_than_twice_its_length(data: bytes) -> None:
    codec = agreed()
    codec.receive(data)
    assert len(codec.take_output()) <= 2 * len(data)


@given(requests, requests)
def test_two_ends_never_answer_each_other_for_ever(to_one: bytes, to_other: bytes) -> None:
    one, other = offered(), offered()
    to_one, to_other = to_one + OFFER, to_other + OFFER
    for _ in range(EXCHANGES):
        one.receive(to_one)
        other.receive(to_other)
        to_one, to_other = other.take_output(), one.take_output()
        if not to_one and not to_other:
            return
    pytest.fail(f"they still say {to_one!r} and {to_other!r}")


@given(requests)
def test_a_peer_that_sends_everything_back_is_not_answered_for_ever(data: bytes) -> None:
    codec = offered()
    data += OFFER
    for _ in range(EXCHANGES):
        codec.receive(data)
        data = codec.take_output()
        if not data:
            return
    pytest.fail(f"it is still told {data!r}")


@given(st.binary())
def test_escaped_text_arrives_as_it_was(text: bytes) -> None:
    assert b"".join(event for event in TelnetCodec().receive(escape(text)) if isinstance(event, bytes)) == text
