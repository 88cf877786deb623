"""The line editor: what its keys do, what its user sees (on the screen of an emulator), what it bears."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from unicodedata import normalize

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smanager.commands.line import last_word
from smanager.server.editor.events import Complete, EndOfInput, Event, Interrupt, Line
from smanager.server.editor.history import HISTORY_LIMIT, HISTORY_SIZE, SEARCH_LIMIT, History
from smanager.server.editor.insertion import LISTED_WORDS
from smanager.server.editor.keys import PASTE_LIMIT
from smanager.server.editor.lineedit import LINE_LIMIT, PENDING_LIMIT, LineEditor
from smanager.server.editor.lineview import MAX_COLUMNS, MIN_COLUMNS
from smanager.terminal.cells import cell_width, columnize, text_width

LEFT, RIGHT, UP, DOWN = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"
HOME, END, DELETE, BACKSPACE = "\x1b[H", "\x1b[F", "\x1b[3~", "\x7f"
(
    CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E, CTRL_F, CTRL_G, CTRL_H, TAB, _,
    CTRL_K, CTRL_L, ENTER, CTRL_N, _, CTRL_P, _, CTRL_R, CTRL_S, CTRL_T,
    CTRL_U, _, CTRL_W, _, CTRL_Y, CTRL_Z,
) = map(chr, range(1, 27))  # fmt: skip
ALT_B, ALT_D, ALT_F, ALT_BACKSPACE = "\x1bb", "\x1bd", "\x1bf", "\x1b\x7f"

ACCENT = "\u0301"

ALLOWED_OUTPUT = re.compile(r"(?:[^\x00-\x1f\x7f-\x9f]|[\r\n\b\a]|\x1b\[(?:[KJH]|2J|\d+[ABCD]))*")


class Terminal:
    """A person's terminal with the editor behind it: keys go in, a screen comes out."""

    def __init__(self, columns: int = 80, rows: int = 100, prompt: str = ">") -> None:
        self.prompt = prompt
        self.editor = LineEditor(columns, rows)
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.rung = False
        self.editor.start(prompt)
        self.refresh()

    def refresh(self) -> str:
        """Send the editor's output to the screen, and return it."""
        output = self.editor.take_output()
        assert ALLOWED_OUTPUT.fullmatch(output), repr(output)
        self.rung = "\a" in output
        self.stream.feed(output)
        return output

    def press(self, keys: str, matches: Sequence[str] = ()) -> list[Event]:
        """Press `keys`; each completion is answered with `matches`, and each line followed by another."""
        self.editor.feed(keys)
        events = []
        while event := self.editor.next_event():
            events.append(event)
            if isinstance(event, Complete):
                self.editor.complete(last_word(event.line)[0], matches)
            else:
                self.editor.start(self.prompt)
        self.refresh()
        return events

    def state(self) -> tuple[str, int]:
        """The line and where its cursor is, as far as the owner of the editor can tell."""
        (completion,) = self.press(TAB)
        (line,) = self.press(ENTER)
        assert isinstance(completion, Complete)
        assert isinstance(line, Line)
        return line.text, len(completion.line)

    def shown(self) -> list[str]:
        """The rows of the screen down to the last that is not blank."""
        cells = [self.screen.buffer[y] for y in range(self.screen.lines)]
        rows = ["".join(row[x].data for x in range(self.screen.columns)) for row in cells]
        return trimmed(rows)

    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor on the screen."""
        return self.screen.cursor.x, self.screen.cursor.y


def trimmed(rows: Sequence[str]) -> list[str]:
    """`rows` without blanks at the right and below; characters that combine in one form."""
    return normalize("NFC", "\n".join(row.rstrip() for row in rows)).rstrip().split("\n")


def edited(keys: str) -> str:
    """What `keys` make of a line, with `|` where its cursor is."""
    terminal = Terminal()
    terminal.press(keys)
    text, cursor = terminal.state()
    return f"{text[:cursor]}|{text[cursor:]}"


def line_of(keys: str, terminal: Terminal) -> str:
    (line,) = terminal.press(keys + ENTER)
    assert isinstance(line, Line)
    return line.text


# Keys.


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("hostname", "hostname|"),
        ("日本e\u0301", "日本e\u0301|"),
        # moving
        (f"abc{LEFT}{LEFT}{RIGHT}", "ab|c"),
        (f"abc{CTRL_B}{CTRL_B}{CTRL_F}", "ab|c"),
        (f"a{LEFT}{LEFT}{RIGHT}{RIGHT}", "a|"),
        (f"ae\u0301\u0308{LEFT}", "a|e\u0301\u0308"),
        (f"e\u0301a{HOME}{RIGHT}", "e\u0301|a"),
        (f"abc{HOME}", "|abc"),
        (f"abc{CTRL_A}{END}{CTRL_A}{CTRL_E}", "abc|"),
        (f"one two--three  {ALT_B}", "one two--|three  "),
        (f"one two--three  {ALT_B}{ALT_B}", "one |two--three  "),
        (f"one two--three{HOME}{ALT_F}", "one| two--three"),
        (f"one two--three{HOME}{ALT_F}{ALT_F}{ALT_F}{ALT_F}", "one two--three|"),
        (f"one two\x1b[1;5D\x1b[1;3D\x1b[1;3D\x1b[1;5C\x1b[1;3C{LEFT}", "one tw|o"),
        (f"one e\u0301te\u0301{ALT_B}", "one |e\u0301te\u0301"),
        # erasing
        (f"abc{BACKSPACE}", "ab|"),
        (f"abc{LEFT}{CTRL_H}", "a|c"),
        (f"ae\u0301{BACKSPACE}", "a|"),
        (f"ab{ACCENT * 40}{BACKSPACE}{BACKSPACE}", "a|"),
        (f"a{HOME}{BACKSPACE}", "|a"),
        (f"abc{HOME}{DELETE}", "|bc"),
        (f"e\u0301b{HOME}{CTRL_D}", "|b"),
        (f"abc{DELETE}{CTRL_D}", "abc|"),
        # killing and yanking
        (f"one two{LEFT}{LEFT}{CTRL_K}", "one t|"),
        (f"one two{LEFT}{LEFT}{CTRL_U}", "|wo"),
        (f"one two-three {CTRL_W}", "one |"),
        (f"one two-three {ALT_BACKSPACE}", "one two-|"),
        (f"one two-three{HOME}{ALT_D}", "| two-three"),
        (f"one two{CTRL_W}{CTRL_Y}{CTRL_Y}", "one twotwo|"),
        (f"one two three{CTRL_W}{CTRL_W}{CTRL_Y}", "one two three|"),
        (f"one two three{HOME}{ALT_D}{ALT_D}{END}{CTRL_Y}", " threeone two|"),
        (f"one two three{ALT_B}{ALT_BACKSPACE}{CTRL_K}{CTRL_A}{CTRL_Y}", "two three|one "),
        (f"one two{CTRL_W}{LEFT}{RIGHT}{CTRL_W}{CTRL_Y}", "one |"),
        (f"one{CTRL_U}{CTRL_U}{CTRL_K}{CTRL_Y}", "one|"),
        (f"a{CTRL_Y}", "a|"),
        # transposing
        (f"abc{CTRL_T}", "acb|"),
        (f"abc{LEFT}{LEFT}{CTRL_T}", "ba|c"),
        (f"ae\u0301{CTRL_T}", "e\u0301a|"),
        (f"ab{HOME}{CTRL_T}", "|ab"),
        (CTRL_T, "|"),
        (f"a{CTRL_T}", "a|"),
        # what does nothing
        (f"a{CTRL_Z}{CTRL_G}{CTRL_S}\x00\x1c\x1b[5~b", "ab|"),
        (f"ab{LEFT}{CTRL_L}", "a|b"),
    ],
)
def test_keys_edit_the_line_as_readline_does(keys: str, line: str) -> None:
    assert edited(keys) == line


def test_enter_ends_the_line_wherever_its_cursor_is() -> None:
    terminal = Terminal()
    assert terminal.press(f"hostname{HOME}{ENTER}") == [Line("hostname")]
    assert terminal.shown() == [">hostname", ">"]


def test_an_unbound_key_rings_once() -> None:
    terminal = Terminal()
    terminal.editor.feed(CTRL_Z * 3)
    assert terminal.editor.next_event() is None
    assert terminal.editor.take_output() == "\a"


def test_control_c_drops_the_line() -> None:
    terminal = Terminal()
    assert terminal.press(f"one{HOME}{CTRL_C}") == [Interrupt()]
    assert terminal.press(f"two{ENTER}") == [Line("two")]
    assert terminal.shown() == [">one^C", ">two", ">"]


def test_control_d_ends_the_input_on_an_empty_line_only() -> None:
    terminal = Terminal()
    assert terminal.press(f"a{HOME}{CTRL_D}") == []
    assert terminal.press(CTRL_D) == [EndOfInput()]
    assert terminal.shown() == [">", ">"]


def edited_line(terminal: Terminal) -> str:
    """What stands behind the prompt in the terminal's last row."""
    terminal.press("")
    return terminal.shown()[-1].removeprefix(terminal.prompt)


# Typing ahead.


def test_what_is_typed_while_no_line_is_read_waits_for_the_next_one() -> None:
    editor = LineEditor()
    editor.feed(f"one{ENTER}two{ENTER}thr")
    assert editor.next_event() is None
    assert editor.take_output() == ""
    for expected in ("one", "two"):
        editor.start(">")
        assert editor.next_event() == Line(expected)
        assert editor.take_output() == f">{expected}\r\n"
    assert editor.next_event() is None
    editor.start(">")
    assert editor.next_event() is None
    assert editor.take_output() == ">thr"


def test_control_c_is_not_typed_ahead_and_drops_what_is() -> None:
    editor = LineEditor()
    editor.feed(f"one{ENTER}two\x1b[{CTRL_C}three{CTRL_C}four{ENTER}")
    assert [editor.next_event() for _ in range(3)] == [Interrupt(), Interrupt(), None]
    assert editor.take_output() == ""
    editor.start(">")
    assert editor.next_event() == Line("four")


def test_what_is_typed_ahead_has_a_limit_but_a_control_c_gets_through() -> None:
    editor = LineEditor()
    editor.feed("x" * (PENDING_LIMIT - 1))
    assert editor.room == 1
    editor.feed(f"xy{CTRL_C}")
    assert editor.room == 0
    assert editor.next_event() == Interrupt()
    editor.start(">")
    assert editor.next_event() is None


# Limits.


def test_a_full_line_rings_and_stays_and_is_not_run_without_what_it_has_no_room_for() -> None:
    terminal = Terminal(1000)
    terminal.press("x" * LINE_LIMIT)
    assert not terminal.rung
    assert terminal.press(ENTER) == [Line("x" * LINE_LIMIT)]
    terminal.press("x" * LINE_LIMIT + "yy")
    assert terminal.rung
    assert terminal.press(ENTER) == [Line("")]
    assert terminal.shown()[-2:] == [f"*** the line has more than {LINE_LIMIT} characters, and is not run", ">"]
    assert terminal.press(f"{UP}{BACKSPACE}{ENTER}") == [Line("x" * (LINE_LIMIT - 1))]


@pytest.mark.parametrize(
    "pasted", ["say 'a\nb'", 'say "a\nb', "a\nsay 'b\tc'\nd", "#" * PASTE_LIMIT + "\na", "say 'a\\\nb'"]
)
def test_a_paste_that_would_not_be_what_was_pasted_is_left_out_and_says_why(pasted: str) -> None:
    terminal = Terminal()
    assert terminal.press(f"x\x1b[200~{pasted}\x1b[201~") == []
    assert terminal.rung
    assert terminal.shown()[0].startswith("*** the paste is left out: ")
    assert terminal.shown()[1:] == [">x"]


def test_a_paste_that_does_not_fit_is_not_cut() -> None:
    terminal = Terminal()
    terminal.press("x\x1b[200~" + "y" * LINE_LIMIT + "\x1b[201~")
    assert terminal.rung
    assert line_of("", terminal) == "x"


@pytest.mark.parametrize(
    ("pasted", "line"),
    [
        ("hostname", "<hostname>"),
        ("one\ntwo\r\nthree\r", "<one; two; three>"),
        ("\n\none\n\n\ntwo\n\n", "<one; two>"),
        ("a\tb\x07\x1b[3mc", "<a bc>"),
        ("\n", "<>"),
        ("say 'a;b'\nsay \"it's\"\n", "<say 'a;b'; say \"it's\">"),
        ("say a \\\n  b\nc", "<say a   b; c>"),
        ("say a\\\\\nb", "<say a\\\\; b>"),
        ("\n# it's a comment\n  # another\nsay 'open", "<say 'open>"),
        ("say a\\\n\n", "<say a>"),
    ],
)
def test_a_paste_is_one_insertion_that_runs_nothing(pasted: str, line: str) -> None:
    terminal = Terminal()
    assert terminal.press(f"<\x1b[200~{pasted}\x1b[201~>") == []
    assert line_of("", terminal) == line


def test_an_idle_editor_is_small() -> None:
    tracemalloc.start()
    try:
        editors = [LineEditor() for _ in range(1000)]
        for editor in editors:
            editor.start(">")
            editor.take_output()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / len(editors) < 1024


# History.


def test_browsing_shows_older_lines_and_comes_back_to_the_one_being_typed() -> None:
    terminal = Terminal()
    terminal.press(f"one{ENTER}two{ENTER}thr")
    shown = []
    for key in (UP, CTRL_P, UP, DOWN, CTRL_N, DOWN):
        terminal.press(key)
        shown.append(edited_line(terminal))
    assert shown == ["two", "one", "one", "two", "thr", "thr"]


def test_browsing_past_an_end_rings() -> None:
    terminal = Terminal()
    terminal.press(UP)
    assert terminal.rung
    terminal.press(DOWN)
    assert terminal.rung


def test_changes_to_older_lines_last_until_the_next_line() -> None:
    terminal = Terminal()
    terminal.press(f"one{ENTER}two{ENTER}")
    assert line_of(f"{UP}{UP}x{DOWN}y{UP}", terminal) == "onex"
    assert line_of(f"{UP}{UP}", terminal) == "two"
    assert line_of(f"{UP * 4}", terminal) == "one"


def test_blank_and_repeated_lines_are_not_kept() -> None:
    terminal = Terminal()
    terminal.press(f"one{ENTER}two{ENTER}two{ENTER}{ENTER}  {ENTER}")
    assert line_of(f"{UP}{UP}", terminal) == "one"


def test_the_history_is_bounded_in_lines_and_in_size() -> None:
    history = History()
    for number in range(HISTORY_LIMIT + 1):
        history.add(str(number))
    assert history.lines == [str(number) for number in range(1, HISTORY_LIMIT + 1)]
    long_lines = [letter * LINE_LIMIT for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"]
    for line in long_lines:
        history.add(line)
    assert history.lines == long_lines[-(HISTORY_SIZE // LINE_LIMIT) :]


# The search.

PAST = f"systemstatus uptime{ENTER}hostname{ENTER}systemstatus disk{ENTER}hostname{ENTER}"


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        ("", "(reverse-i-search)'': typed"),
        ("st", "(reverse-i-search)'st': hostname"),
        ("sys", "(reverse-i-search)'sys': systemstatus disk"),
        (f"sys{CTRL_R}", "(reverse-i-search)'sys': systemstatus uptime"),
        (f"st{CTRL_R}{CTRL_R}", "(reverse-i-search)'st': hostname"),
        (f"sys{CTRL_R}{CTRL_S}", "(reverse-i-search)'sys': systemstatus disk"),
        (f"sys{CTRL_R}{CTRL_R}", "(reverse-i-search)'sys': systemstatus uptime"),
        ("sys u", "(failed reverse-i-search)'sys u': systemstatus disk"),
        (f"uptx{BACKSPACE}", "(reverse-i-search)'upt': systemstatus uptime"),
        (f"upt{BACKSPACE * 4}", "(reverse-i-search)'': typed"),
        (f"upt{CTRL_G}", ">typed"),
        (f"upt{CTRL_C}", ">typed"),
        (f"uptime{CTRL_A}", ">systemstatus uptime"),
        (f"upt{DOWN}", ">hostname"),
        ("\x1b[200~ pasted\x1b[201~", ">typed pasted"),
    ],
)
def test_the_search_shows_what_it_found(keys: str, row: str) -> None:
    terminal = Terminal()
    terminal.press(f"{PAST}typed{CTRL_R}{keys}")
    assert terminal.shown()[-1] == row


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (f"upt{CTRL_K}", "systemstatus |"),
        (f"sys{CTRL_R}{LEFT}", "|systemstatus uptime"),
        ("none\x1b[5~", "hostname|"),
        (f"disk{UP}", "hostname|"),
        (f"upt{CTRL_G}", "ty|ped"),
        (f"disk{ALT_D}x{UP}{DOWN}", "systemstatus x|"),
    ],
)
def test_any_other_key_takes_the_line_found_and_acts_on_it(keys: str, line: str) -> None:
    assert edited(f"{PAST}typed{LEFT * 3}{CTRL_R}{keys}") == line


def test_enter_runs_the_line_found() -> None:
    terminal = Terminal()
    terminal.press(PAST)
    assert line_of(f"{CTRL_R}upt", terminal) == "systemstatus uptime"


def test_a_search_without_result_rings_and_is_bounded() -> None:
    terminal = Terminal()
    terminal.press(PAST)
    for keys in (f"{CTRL_R}{CTRL_S}", "uptimes", CTRL_R, "s" * SEARCH_LIMIT):
        terminal.press(keys)
        assert terminal.rung
    assert "".join(terminal.shown()).count("s") < SEARCH_LIMIT + 50


# Completion.


@pytest.mark.parametrize(
    ("typed", "matches", "line"),
    [
        ("sys", ["systemstatus"], "systemstatus |"),
        ("help sy", ["systemstatus"], "help systemstatus |"),
        ("help ", ["two words"], "help 'two words' |"),
        ("help tw", ["two words", "two worlds"], "help 'two wor|"),
        ("help 'two word", ["two words"], "help 'two words' |"),
        ('help "two w', ["two words", "two worlds"], "help 'two wor|"),
        ("help two\\ w", ["two words"], "help 'two words' |"),
        ("it", ["it's a", "it's b"], """'it'"'"'s |"""),
        ("a-", ["a_bc", "a_bd"], "a_b|"),
        ("s", ["scrapman", "scrapfreq"], "scrap|"),
        ("scrap", ["scrapman", "scrapfreq"], "scrap|"),
        ("scrap", [], "scrap|"),
        (f"sys uptime{HOME}{ALT_F}", ["systemstatus"], "systemstatus | uptime"),
        ("a", ["a\nb", "a\x1b[2J"], "a|"),
        ("x" * LINE_LIMIT, ["y" * LINE_LIMIT], "x" * LINE_LIMIT + "|"),
    ],
)
def test_tab_completes_the_word_left_of_the_cursor(typed: str, matches: list[str], line: str) -> None:
    terminal = Terminal()
    *_, completion = terminal.press(typed + TAB, matches)
    assert isinstance(completion, Complete)
    text, cursor = terminal.state()
    assert f"{text[:cursor]}|{text[cursor:]}" == line


def test_several_matches_are_listed_under_the_line() -> None:
    terminal = Terminal(30)
    terminal.press(f"help cx{LEFT}{TAB}", ["captest", "capture_at", "c日本", "c"])
    assert terminal.shown() == [">help cx", "captest     c日本", "capture_at  c", ">help cx"]
    assert terminal.cursor() == (7, 3)
    assert not terminal.rung


def test_a_long_listing_is_cut() -> None:
    terminal = Terminal(30, rows=LISTED_WORDS + 10)
    terminal.press(TAB, [f"{number}_is_a_long_match" for number in range(LISTED_WORDS + 3)])
    assert terminal.shown()[-3:] == [f"{LISTED_WORDS - 1}_is_a_long_match", "... and 3 more", ">"]


def test_no_match_rings() -> None:
    terminal = Terminal()
    terminal.press(f"x{TAB}")
    assert terminal.rung


def test_what_is_typed_while_a_completion_is_awaited_comes_after_it() -> None:
    editor = LineEditor()
    editor.start(">")
    editor.feed(f"sys{TAB}upt{TAB}")
    assert editor.next_event() == Complete("sys")
    assert editor.next_event() is None
    editor.complete(0, ["systemstatus"])
    assert editor.next_event() == Complete("systemstatus upt")


def test_control_c_does_not_wait_for_a_completion() -> None:
    editor = LineEditor()
    editor.start(">")
    editor.feed(f"sys{TAB}{ENTER}{CTRL_C}")
    assert editor.next_event() == Complete("sys")
    assert editor.next_event() == Interrupt()
    assert editor.take_output() == ">sys^C\r\n"
    editor.start(">")
    editor.complete(0, ["systemstatus"])
    assert editor.take_output() == ">"


@given(st.lists(st.text(st.sampled_from("ab_日e"), min_size=1), min_size=1), st.integers(10, 100))
def test_a_listing_holds_every_word_and_fits_the_window(words: list[str], columns: int) -> None:
    rows = columnize(words, columns)
    assert sorted(word for row in rows for word in row.split()) == sorted(words)
    for row in rows:
        assert text_width(row) <= columns or " " not in row


@pytest.mark.parametrize(
    ("character", "width"),
    [("a", 1), ("é", 1), ("日", 2), ("ａ", 2), ("😀", 2), ("한", 2), ("\u1161", 0), ("\u0301", 0), ("\ufe0f", 0)],
)
def test_characters_are_as_wide_as_terminals_draw_them(character: str, width: int) -> None:
    assert cell_width(character) == width


def test_an_emoji_sequence_is_erased_at_once_and_wraps_whole() -> None:
    family = "👨\u200d👩\u200d👧"
    editor = LineEditor(10)
    editor.start(">")
    editor.feed(f"12345678{family}")
    editor.next_event()
    assert editor.take_output() == f">12345678 {family}"
    editor.feed("\x7f\r")
    assert editor.next_event() == Line("12345678")


# The screen.


def test_appending_sends_just_the_characters() -> None:
    terminal = Terminal()
    terminal.editor.feed("hello, ")
    terminal.editor.next_event()
    assert terminal.editor.take_output() == "hello, "
    terminal.editor.feed("wörld 日")
    terminal.editor.next_event()
    assert terminal.editor.take_output() == "wörld 日"


def test_a_pasted_page_is_drawn_once() -> None:
    terminal = Terminal(80)
    terminal.editor.feed("x" * LINE_LIMIT)
    assert terminal.editor.next_event() is None
    assert terminal.editor.take_output() == "x" * LINE_LIMIT


def test_output_goes_above_the_line_being_typed() -> None:
    terminal = Terminal(10)
    terminal.press(f"a long line{HOME}{RIGHT}")
    terminal.editor.print_above("one\r\ntwo\r\n")
    terminal.refresh()
    assert terminal.shown() == ["one", "two", ">a long li", "ne"]
    assert terminal.cursor() == (2, 2)


def test_output_while_no_line_is_typed_is_just_sent() -> None:
    editor = LineEditor()
    editor.print_above("one\r\n")
    editor.resize(10)
    assert editor.take_output() == "one\r\n"


def test_the_screen_is_cleared_but_for_the_line() -> None:
    terminal = Terminal()
    terminal.press(f"one{ENTER}two{LEFT}{CTRL_L}")
    assert terminal.shown() == [">two"]
    assert terminal.cursor() == (3, 0)


@pytest.mark.parametrize(("claimed", "used"), [(0, MIN_COLUMNS), (65535, MAX_COLUMNS)])
def test_absurd_windows_are_taken_for_sensible_ones(claimed: int, used: int) -> None:
    terminal = Terminal(claimed)
    terminal.editor.feed("x" * (used - 2))
    terminal.editor.next_event()
    assert terminal.editor.take_output() == "x" * (used - 2)
    terminal.editor.feed("y")
    terminal.editor.next_event()
    assert terminal.editor.take_output() == "y \r"


WIDTHS = dict.fromkeys("日本한！", 2) | dict.fromkeys("\u0301\u0308", 0)


def width_of(text: str) -> int:
    return sum(WIDTHS.get(character, 1) for character in text)


def wrapped(text: str, columns: int) -> list[str]:
    """The rows that `text` takes in a window, the last of them the cursor's."""
    rows = [""]
    for character in text:
        if width_of(rows[-1] + character) > columns:
            rows.append("")
        rows[-1] += character
    return rows if width_of(rows[-1]) < columns else [*rows, ""]


def place(text: str, columns: int) -> tuple[int, int]:
    """Column and row of the cursor after `text`."""
    rows = wrapped(text, columns)
    return width_of(rows[-1]), len(rows) - 1


PRINTING = st.text(st.sampled_from("ab-_ é日한！\u0301\u0308"), min_size=1, max_size=30)
EDITING = st.sampled_from([
    LEFT, RIGHT, UP, DOWN, HOME, END, DELETE, BACKSPACE, ALT_B, ALT_D, ALT_F, ALT_BACKSPACE,
    CTRL_D, CTRL_G, CTRL_K, CTRL_L, CTRL_R, CTRL_S, CTRL_T, CTRL_U, CTRL_W, CTRL_Y, ENTER, TAB, CTRL_C,
    "\x1b[200~pasted\ntext\x1b[201~", "\x1b[1;5D", "\x1b[1;5C",
])  # fmt: skip
KEYS = st.lists(PRINTING | EDITING, max_size=30)
MATCHES = ["abbey", "abbé", "日本"]


@given(st.integers(10, 40), KEYS)
@example(10, ["日日日日", "日"])
@example(10, ["aaaaaaaaa", "\u0301", LEFT, "\u0308"])
def test_the_screen_shows_the_line_with_its_cursor(columns: int, keys: list[str]) -> None:
    terminal = Terminal(columns, rows=200)
    for key in keys:
        terminal.press(key, MATCHES)
    terminal.press(CTRL_G)
    shown, (x, y) = terminal.shown(), terminal.cursor()
    text, cursor = terminal.state()
    column, row = place(terminal.prompt + text[:cursor], columns)
    assert x == column
    assert shown[y - row :] == trimmed(wrapped(terminal.prompt + text, columns))


@given(st.integers(10, 40), st.integers(10, 40), st.text(st.sampled_from("ab日"), max_size=100), st.data())
def test_a_resized_line_is_laid_out_anew(old: int, new: int, text: str, data: st.DataObject) -> None:
    left = text[: data.draw(st.integers(0, len(text)))]
    terminal = Terminal(old)
    terminal.press(text + LEFT * (len(text) - len(left)))
    # pyte does not wrap its rows anew: this is how a terminal that does looks before the editor knows.
    terminal.screen = pyte.Screen(new, 100)
    terminal.stream = pyte.Stream(terminal.screen)
    column, row = place(unwrapped(f">{left}", old), new)
    rows = wrapped(unwrapped(f">{text}", old), new)
    terminal.stream.feed("\r\n".join(["above", *rows]) + f"\x1b[{row + 2};{column + 1}H")
    terminal.editor.resize(new)
    terminal.refresh()
    assert terminal.shown() == ["above", *trimmed(wrapped(f">{text}", new))]
    column, row = place(f">{left}", new)
    assert terminal.cursor() == (column, row + 1)


def unwrapped(text: str, columns: int) -> str:
    """`text` with the blanks that are at the end of rows too narrow for a wide character."""
    *rows, last = wrapped(text, columns)
    return "".join(row + " " * (columns - width_of(row)) for row in rows) + last


def test_a_line_of_one_row_is_untouched_by_a_resize() -> None:
    terminal = Terminal(80)
    terminal.press(f"one{LEFT}")
    terminal.screen.resize(columns=40)
    terminal.editor.resize(40)
    terminal.refresh()
    assert terminal.shown() == [">one"]
    assert terminal.cursor() == (3, 0)


def test_a_line_taller_than_the_window_scrolls_within_it() -> None:
    terminal = Terminal(10, rows=4)
    terminal.press("".join(f"{number:03}." for number in range(20)))
    assert (terminal.shown(), terminal.cursor()) == ([".015.016.0", "17.018.019", "."], (1, 2))
    terminal.press(CTRL_A)
    assert (terminal.shown(), terminal.cursor()) == ([">000.001.0", "02.003.004", ".005.006.0"], (1, 0))
    terminal.press(f"x{BACKSPACE}{RIGHT * 30}")
    assert (terminal.shown(), terminal.cursor()) == (["02.003.004", ".005.006.0", "07.008.009"], (1, 2))
    (line,) = terminal.press(ENTER)
    assert line == Line("".join(f"{number:03}." for number in range(20)))


@given(
    st.integers(10, 20),
    st.integers(2, 6),
    st.lists(
        st.text(st.sampled_from("ab日"), max_size=60) | st.sampled_from([LEFT * 25, RIGHT * 25, CTRL_A, CTRL_E, CTRL_K])
    ),
)
def test_a_window_shows_the_rows_around_the_cursor(columns: int, rows: int, keys: list[str]) -> None:
    terminal = Terminal(columns, rows)
    for key in keys:
        terminal.press(key)
        column, row = terminal.cursor()
        text, cursor = terminal.editor._text, terminal.editor._cursor
        whole = wrapped(f">{text}", columns)
        expected_column, line_row = place(f">{text[:cursor]}", columns)
        if len(whole) <= rows:
            assert (column, row) == (expected_column, line_row)
            assert terminal.shown() == trimmed(whole)
        else:
            assert column == expected_column
            top = line_row - row
            assert terminal.shown() == trimmed(whole[top : top + rows - 1])


# Whatever comes.


def outcome(pieces: Sequence[str]) -> tuple[list[Event], tuple[str, int]]:
    terminal = Terminal()
    events = [event for piece in pieces for event in terminal.press(piece, MATCHES)]
    terminal.press(f"\x1b[201~{CTRL_G}")
    return events, terminal.state()


@given(KEYS.map("".join) | st.text(), st.data())
def test_any_split_of_what_is_typed_does_the_same(typed: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(typed)), max_size=10)))
    pieces = [typed[start:end] for start, end in pairwise([0, *cuts, len(typed)])]
    assert outcome(pieces) == outcome([typed]) == outcome(list(typed))


@given(st.lists(KEYS.map("".join) | st.text() | st.integers(-1, 70000)), st.booleans())
def test_nothing_raises(actions: list[str | int], completes: bool) -> None:
    editor = LineEditor()
    for action in actions:
        if isinstance(action, int):
            editor.resize(action)
            continue
        editor.feed(action)
        while event := editor.next_event():
            if not isinstance(event, Complete):
                editor.start("prompt> ")
            elif completes:
                editor.complete(0, ["", event.line])
        assert ALLOWED_OUTPUT.fullmatch(editor.take_output())
