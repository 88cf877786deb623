"""The fenced blocks of a Markdown page, and what the comments above them tell the tests.

    <!-- file: NAME -->        the reader saves the block under this name
    <!-- not run: REASON -->   a test machine cannot do what the block says

A block of a language in `RUN` without such a comment is done as a reader would do it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUN = ("console", "python", "toml")
"""What the tests do: commands are typed, programs run, configurations read."""

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>file|not run): (?P<value>.+?) -->\n+)?^```(?P<language>\S*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    where: str
    """Page and line, for messages."""
    language: str
    text: str
    file: str = ""
    """The name under which the reader saves it."""
    not_run: str = ""
    """Why it cannot be run."""


def blocks(page: Path, root: Path) -> Iterator[Block]:
    """The page's blocks from top to bottom."""
    text = page.read_text()
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("text"))
        mark, value = match["mark"], match["value"]
        yield Block(
            f"{page.relative_to(root)}:{line}",
            match["language"],
            match["text"],
            file=value if mark == "file" else "",
            not_run=value if mark == "not run" else "",
        )
