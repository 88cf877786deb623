"""What commands return, as text in a window or without one, and as JSON."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest

from smanager.logs.history import LifeRecord, LogLine
from smanager.shells.output import PlainOutput
from smanager.shells.printer import NOTES_LIMIT, TEXT_LIMIT, JsonPrinter, Printer, bar
from smanager.shells.texts import text_of
from smanager.supervision.commands.logs import LinesLeftOut
from smanager.supervision.commands.own import Listing
from smanager.supervision.commands.screens import Screen
from smanager.supervision.commands.sessions import Identity, JobFacts, SessionFacts
from smanager.supervision.commands.status import Explanation, ServiceList, ServiceStatus
from smanager.supervision.reports import Notice
from smanager.supervision.states import State

NOON = time.mktime((2026, 11, 25, 12, 0, 0, 0, 0, -1))


class Plain(PlainOutput):
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str, /) -> None:
        self.text += text


class Window(Plain):
    """A window of 60 columns, which shows one page or line of progress."""

    shown = ""

    @property
    def columns(self) -> int:
        return 60

    def progress(self, text: str, /) -> None:
        self.shown = text

    def redraw(self, text: str, /) -> None:
        self.shown = text


# Texts of records


def status(**changes: Any) -> ServiceStatus:
    values: dict[str, Any] = {
        "name": "web",
        "state": State.RUNNING,
        "reason": "",
        "pid": 17,
        "since": NOON,
        "age": 65.0,
    }
    values |= {"restarts": 2, "cpu": 1.25, "memory": 3 * 1024**2, "shared": False, "last_end": None}
    return ServiceStatus(**(values | changes))


def explanation(**changes: Any) -> Explanation:
    facts: dict[str, Any] = {"next_attempt": None, "lives": [], "last_lines": []}
    return Explanation(**(vars(status()) | facts | changes))


@dataclass
class Unknown:
    """A record without a text of its own."""

    name: str
    from_: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Notice("port 4000 stays"), "port 4000 stays\n"),
        (LinesLeftOut(3), "*** 3 lines came faster than you read, and are left out\n"),
        (LogLine(NOON, "web", "hello"), "2026-11-25 12:00:00 web: hello\n"),
        ([LogLine(NOON, "web", "a"), Notice("b")], "2026-11-25 12:00:00 web: a\nb\n"),
        (ServiceList({"web": "running", "db-1": "gone"}, ["x.py: bad"]), "web   running\ndb-1  gone\nx.py: bad\n"),
        (ServiceList({}, []), ""),
        (Identity("anna", "1.2.3.4", "password", None, ["view"]), "anna from 1.2.3.4, by password; roles: view\n"),
        (Identity(None, "unix", None, "eve", []), "anonymous from unix, claims to act for eve; roles: none\n"),
        ([], ""),
        (Listing([], "2 lines are too old"), "*** 2 lines are too old\n"),
        (Unknown("a", 1), "name  a\nfrom  1\n"),
        ([Unknown("a", 1)], "name\tfrom\na\t1\n"),
        ("plain", "plain\n"),
        (["a", 1], "a\n1\n"),
    ],
)
def test_each_record_has_its_text(value: object, text: str) -> None:
    assert text_of(value, 0) == text


def test_records_in_a_list_are_rows_of_a_table() -> None:
    rows = [status(), status(name="db", state=State.STOPPED, pid=None, age=None, cpu=None, memory=None, last_end="0")]
    assert text_of(rows, 0) == (
        "NAME\tSTATE\tPID\tSINCE\tRESTARTS\tCPU\tMEMORY\tLAST END\n"
        "web\trunning\t17\t1 min 5 s\t2\t1.2 s\t3.0 MiB\t-\n"
        "db\tstopped\t-\t-\t2\t-\t-\t0\n"
    )
    assert "1.2 s shared\t3.0 MiB shared\t" in text_of([status(shared=True)], 0)
    assert text_of([JobFacts(3, "box fill", "anna", NOON, 2.0)], 60) == (
        "ID  COMMAND   FROM  SINCE\n 3  box fill  anna  2.0 s\n"
    )
    sessions = text_of([SessionFacts(1, None, "1.2.3.4", NOON, 9.0, "person", None)], 0)
    assert sessions == "ID\tUSER\tFROM\tSINCE\tKIND\tDOING\n1\t-\t1.2.3.4\t9.0 s\tperson\t-\n"


def test_an_explanation_tells_the_lives_from_the_last_one_on() -> None:
    first = LifeRecord(NOON, "boot", 0.5, 60.0, "exit status 1", "restart in 1.0 s")
    lost = LifeRecord(NOON - 60, "boot", 0.5, None, "ended with the manager")
    why = explanation(
        state=State.BACKOFF,
        reason="exit status 1",
        next_attempt=0.8,
        lives=[lost, first, LifeRecord(NOON + 61, "a restart")],
        last_lines=[LogLine(NOON + 59, "web", "oops")],
    )
    assert text_of(why, 0) == (
        "web is backoff (exit status 1) since 2026-11-25 12:00:00, for 1 min 5 s\n"
        "  the next attempt is made in 0.8 s\n"
        "  2026-11-25 12:01:01: started by a restart\n"
        "  2026-11-25 12:00:00: started by boot, ready after 0.5 s\n"
        "    2026-11-25 12:01:00: ended after 1 min 0 s: exit status 1; restart in 1.0 s\n"
        "  2026-11-25 11:59:00: started by boot, ready after 0.5 s\n"
        "    ended with the manager\n"
        "  the last lines before its end:\n"
        "    2026-11-25 12:00:59 oops\n"
    )
    stopped = explanation(since=None, age=None, state=State.STOPPED)
    assert text_of([stopped, stopped], 0) == "web is stopped\n\nweb is stopped\n"


def test_equal_lives_in_a_row_are_one_line() -> None:
    first = LifeRecord(NOON - 60, "boot", 0.5, 60.0, "exit status 1", "started again at once")
    crashes = [
        LifeRecord(NOON + number, "its supervision", None, 0.1 * (number + 1), "exit status 1", f"in {number} s")
        for number in range(9)
    ]
    assert text_of(explanation(lives=[first, *crashes]), 0).splitlines()[1:] == [
        "  2026-11-25 12:00:00 to 2026-11-25 12:00:08: 9 lives, started by its supervision, "
        "ended after 0.1 s to 0.9 s: exit status 1; in 8 s",
        "  2026-11-25 11:59:00: started by boot, ready after 0.5 s",
        "    2026-11-25 12:00:00: ended after 1 min 0 s: exit status 1; started again at once",
    ]
    lost = [LifeRecord(NOON, "boot", end="ended with the manager")] * 3
    assert ": 3 lives, started by boot: ended with the manager\n" in text_of(explanation(lives=lost), 0)


# Pages drawn in place, and progress


def test_a_page_is_drawn_in_place_in_a_window_and_below_the_last_one_elsewhere() -> None:
    window, plain = Window(), Plain()
    for output in (window, plain):
        printer = Printer(output)
        printer.item(Screen("ls", 2.0, "one\n"))
        printer.item(Screen("ls", 2.0, "two\n"))
    assert window.shown == "every 2 s: ls\n\ntwo\n"
    assert plain.text == "one\ntwo\n"


def test_an_announcement_is_repeated_below_the_pages_until_the_next_command() -> None:
    window = Window()
    printer = Printer(window)
    printer.announce("before\n")
    printer.item(Screen("ls", 0.5, "one\n"))
    printer.announce("fill: done\n")
    printer.item(Screen("ls", 0.5, "two\n"))
    assert window.text == "before\nfill: done\n"
    assert window.shown == "every 0.5 s: ls\n\ntwo\nfill: done\n"
    printer.announce("x" * 2 * NOTES_LIMIT)
    printer.item(Screen("ls", 0.5, ""))
    assert window.shown.endswith("\n\n" + "x" * NOTES_LIMIT)
    printer.begin()
    printer.item(Screen("ls", 0.5, "three\n"))
    assert window.shown == "every 0.5 s: ls\n\nthree\n"


def test_progress_needs_a_window_or_a_wish() -> None:
    window, plain, wished = Window(), Plain(), Plain()
    Printer(window).progress(1, 2, "a\x1b" + "long " * 20)
    Printer(plain).progress(1, 2, "half")
    Printer(wished, shows_progress=True).progress(1, 2, "half")
    assert window.shown.startswith("[##########..........]  50% 1/2  ")
    assert window.shown.endswith("…")
    assert len(window.shown) == window.columns - 1
    assert "\x1b" not in window.shown
    assert plain.text == ""
    assert wished.text.endswith("  half\n")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ((5, None, "", 2.0), "5  2.5/s"),
        ((5, 0, "of\nnone", 0.0), "5  0/s  of none"),
        ((0, 4, "", 1.0), "[....................]   0% 0/4  0/s"),
        ((1, 4, "copying", 2.0), "[#####...............]  25% 1/4  0.5/s, 6.0 s left  copying"),
        ((9, 4, "", 3.0), "[####################] 100% 9/4  3/s"),
    ],
)
def test_a_bar_shows_the_share_the_rate_and_the_time_left(
    given: tuple[float, float | None, str, float], shown: str
) -> None:
    assert bar(*given) == shown


# JSON


def documents(output: Plain) -> list[Any]:
    return [json.loads(line) for line in output.text.splitlines()]


def test_all_text_of_a_command_is_one_document() -> None:
    output = Plain()
    printer = JsonPrinter(output)
    printer.write("one\n")
    printer.write("two\n")
    assert output.text == ""
    printer.close()
    assert documents(output) == ["one\ntwo"]


def test_of_very_long_text_the_last_is_kept() -> None:
    output = Plain()
    printer = JsonPrinter(output)
    printer.write("lost")
    printer.write("x" * TEXT_LIMIT)
    printer.close()
    assert documents(output) == ["x" * TEXT_LIMIT]


def test_a_command_without_a_result_answers_null() -> None:
    output = Plain()
    JsonPrinter(output).close()
    assert documents(output) == [None]


def test_each_item_and_each_record_is_a_document() -> None:
    output = Plain()
    printer = JsonPrinter(output)
    printer.item(Unknown("a", 1))
    printer.item(Screen("ls", 2.0, ["page"]))
    printer.value([LogLine(0.0, "web", "x")])
    printer.progress(1, 2, "not shown")
    printer.close()
    assert documents(output) == [{"name": "a", "from": 1}, ["page"], [{"when": 0.0, "service": "web", "text": "x"}]]


def test_a_failure_is_a_document_with_the_text_before_it() -> None:
    output = Plain()
    printer = JsonPrinter(output)
    printer.write("half\n")
    printer.complain("box fill: no room")
    printer.close()
    JsonPrinter(output).complain("unknown")
    assert documents(output) == [{"error": "box fill: no room", "output": "half\n"}, {"error": "unknown"}]


def test_progress_is_a_document_where_it_is_wanted() -> None:
    output = Plain()
    printer = JsonPrinter(output, shows_progress=True)
    printer.progress(1, None, "half")
    printer.close()
    assert documents(output) == [{"progress": {"done": 1, "total": None, "text": "half"}}, None]
