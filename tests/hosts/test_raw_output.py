"""What a process prints past Python: logged by line, cut where it is too long, and never faster than sessions allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from smanager.hosts.raw_output import LINE_LIMIT, LINES_A_TURN, RawOutput
from smanager.terminal.text import CUT


class Pipe(asyncio.ReadTransport):
    is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


def logged(write: Callable[[RawOutput], None]) -> list[str]:
    """The lines that come of what is written, up to the end."""

    async def run() -> None:
        output = RawOutput(lines.append)
        output.connection_made(Pipe())
        write(output)
        output.finish()

    lines: list[str] = []
    asyncio.run(run())
    return lines


def test_lines_are_logged_however_they_are_cut() -> None:
    def write(output: RawOutput) -> None:
        for piece in (b"on", b"e\n\ntw", b"o\n", b"\xffthree"):
            output.data_received(piece)

    assert logged(write) == ["one", "", "two", "\\xffthree"]


def test_a_long_line_is_cut() -> None:
    lines = logged(lambda output: output.data_received(b"x" * (2 * LINE_LIMIT + 5) + b"\n"))
    assert lines == ["x" * LINE_LIMIT + CUT, "x" * LINE_LIMIT + CUT, "x" * 5]


def test_a_line_without_an_end_takes_no_more_room_than_a_line() -> None:
    def write(output: RawOutput) -> None:
        output.data_received(b"x" * (LINE_LIMIT + 1))
        assert len(output._rest) == 1

    assert logged(write) == ["x" * LINE_LIMIT + CUT, "x"]


def test_a_flood_is_logged_some_lines_a_turn_and_not_read_meanwhile() -> None:
    async def run() -> None:
        pipe = Pipe()
        lines: list[str] = []
        output = RawOutput(lines.append)
        output.connection_made(pipe)
        output.data_received(b"x\n" * (2 * LINES_A_TURN + 1))
        for expected in (LINES_A_TURN, 2 * LINES_A_TURN):
            assert (len(lines), pipe.is_paused) == (expected, True)
            await asyncio.sleep(0)
        assert (len(lines), pipe.is_paused) == (2 * LINES_A_TURN + 1, False)

    asyncio.run(run())
