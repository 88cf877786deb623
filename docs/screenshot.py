"""Makes docs/terminal.svg: what a terminal shows of a real telnet session with the real program."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from pyte.screens import Char

from smanager.system.descriptors import open_standard_descriptors
from tests.docs.markdown import blocks
from tests.docs.reader import PROMPT, Reader

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "terminal.svg"

LINES = ("greeter greet anna ben", "greeter crash", "why greeter", "status")
"""What is typed, with the service of the tutorial."""

PAUSE = 1.5
"""Seconds between two lines, so that the service is up again."""

COLUMNS = 84
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SIZE, ADVANCE, LEADING = 14, 8.43, 20
"""Pixels: the font's size, a character's width (0.602 em is usual), and the height of a line."""
MARGIN, TITLE = 18, 34
BACKGROUND, BAR, DIM, TEXT, TYPED = "#16181d", "#22252c", "#8b919c", "#c9ced6", "#ffffff"
COLOURS: Mapping[str, str] = {
    "default": TEXT,
    "red": "#ff7b72",
    "green": "#7ee787",
    "brown": "#e3b341",
    "cyan": "#76e3ea",
}


def session() -> list[list[Char]]:
    """The characters on the screen at the end of the session, row by row."""
    with tempfile.TemporaryDirectory() as directory:
        reader = Reader(Path(directory))
        try:
            tutorial = blocks(ROOT / "docs" / "tutorial.md", ROOT)
            reader.follow(next(block for block in tutorial if block.file))
            window = reader.open_telnet(COLUMNS)
            for line in LINES:
                window.enter(line)
                time.sleep(PAUSE)
            rows = window.rows()
            window.close()
            return rows
        finally:
            reader.close()


def svg(rows: Sequence[Sequence[Char]]) -> str:
    """A picture of a terminal window that shows these rows."""
    width = 2 * MARGIN + COLUMNS * ADVANCE
    height = TITLE + 2 * MARGIN + len(rows) * LEADING
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" role="img">',
            "<title>A telnet session with SManager</title>",
            f'<rect width="100%" height="100%" rx="10" fill="{BACKGROUND}"/>',
            f'<path d="M0 {TITLE} V10 A10 10 0 0 1 10 0 H{width - 10:.0f} A10 10 0 0 1 {width:.0f} 10 V{TITLE} Z" '
            f'fill="{BAR}"/>',
            *(f'<circle cx="{20 + 20 * n}" cy="{TITLE / 2:g}" r="6" fill="#4a4f5a"/>' for n in range(3)),
            f'<g font-family="{FONT}" font-size="{SIZE}" xml:space="preserve">',
            f'<text x="{width / 2:.0f}" y="{TITLE / 2 + 5:g}" fill="{DIM}" text-anchor="middle">'
            "telnet 127.0.0.1 10000</text>",
            *(run for number, row in enumerate(rows) for run in runs(number, row)),
            "</g>",
            "</svg>",
            "",
        ]
    )


def runs(number: int, row: Sequence[Char]) -> Iterator[str]:
    """The pieces of a row that have one colour, each put where its first column is."""
    text = "".join(char.data for char in row)
    prompt = PROMPT.match(text)
    typed_from = prompt.end() if prompt else len(row)
    column = 0
    y = TITLE + MARGIN + number * LEADING + SIZE
    for (colour, bold), chars in itertools.groupby(
        enumerate(row), key=lambda item: (TYPED if item[0] >= typed_from else colour_of(item[1]), item[0] >= typed_from)
    ):
        piece = "".join(char.data for _, char in chars)
        if piece.strip():
            weight = ' font-weight="bold"' if bold else ""
            yield (
                f'<text x="{MARGIN + column * ADVANCE:.1f}" y="{y}" fill="{colour}"{weight} '
                f'textLength="{len(piece) * ADVANCE:.1f}">{escape(piece)}</text>'
            )
        column += len(piece)


def colour_of(char: Char) -> str:
    return COLOURS.get(char.fg, TEXT)


if __name__ == "__main__":
    open_standard_descriptors()
    PICTURE.write_text(svg(session()))
