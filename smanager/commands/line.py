"""A line as a caller types it: its commands, their words, and the options that every command takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress

from smanager.commands.record import CommandError, Status

BLANKS = " \t\r\n"
"""What separates words; other blanks, as in the name of a macOS screenshot, belong to them."""

_FIRST_WORD = re.compile(r"[ \t\r\n]*([^ \t\r\n]*)[ \t\r\n]*")
_QUOTED_OR_SEMICOLON = re.compile(r"""\\.|'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)|;""", re.DOTALL)
JSON, PROGRESS = "--json", "--progress"
_OPTION = re.compile(rf"(?<=[{BLANKS}])(?:{JSON}|{PROGRESS})(?![^{BLANKS}])")
_END_OF_OPTIONS = re.compile(rf"[{BLANKS}]--[{BLANKS}]")
_WORD = re.compile(r"""(?:\\.|'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)|\\\Z|[^ \t\r\n'"\\])+""", re.DOTALL)
_QUOTING = re.compile(r"""['"\\]""")
_NEEDS_SHELL_SPLITTING = re.compile(r"""['"\\]|[^\S \t\r\n]""")  # other blanks do not separate words


def split_commands(line: str) -> list[str]:
    """Split a line at each `;` outside quotes: a line may hold several commands."""
    pieces, start = [], 0
    for match in _QUOTED_OR_SEMICOLON.finditer(line):
        if match.group() == ";":
            pieces.append(line[start : match.start()])
            start = match.end()
    return [*pieces, line[start:]]


def commands_of(line: str) -> list[str]:
    """The commands of a line; a comment, which begins with `#`, has none. A byte order mark before them is nothing."""
    line = line.removeprefix("\ufeff")
    if "#" in line and line.lstrip(BLANKS).startswith("#"):
        return []
    if ";" not in line:  # nearly every line
        return [line] if line.strip(BLANKS) else []
    return [command for command in split_commands(line) if command.strip(BLANKS)]


def without_options(text: str) -> tuple[str, set[str]]:
    """A command without `--json` and `--progress`, which every command takes, and those of the two that it had."""
    if JSON not in text and PROGRESS not in text:
        return text, set()
    unquoted = _QUOTED_OR_SEMICOLON.sub(lambda match: "." * len(match.group()), text)
    end = found.start() if (found := _END_OF_OPTIONS.search(unquoted)) else len(text)
    options = list(_OPTION.finditer(unquoted, 0, end))
    borders = [0, *(border for option in options for border in option.span()), len(text)]
    left = "".join(text[start:end] for start, end in zip(borders[::2], borders[1::2], strict=True))
    return left, {option.group() for option in options}


def without_ampersand(text: str) -> tuple[str, bool]:
    """A command without a trailing `&`, and whether it had one."""
    rest = text.rstrip(BLANKS)
    if rest.endswith(("\t&", " &")):
        return rest[:-1], True
    return text, False


def first_word(line: str) -> tuple[str, str]:
    """The first word of a line, still in its quotes, and the rest behind the blanks."""
    if line.isascii() and line.isprintable():  # nearly every line; the pattern takes three times as long
        word, _, rest = line.lstrip().partition(" ")
        return word, rest.lstrip()
    found = _FIRST_WORD.match(line)
    assert found is not None  # it matches any text
    return found[1], line[found.end() :]


def command_word(line: str) -> tuple[str, str]:
    """The first word of a line, without its quotes, and the rest. Raises CommandError for an open quotation."""
    word, rest = first_word(line)
    if not _QUOTING.search(word):
        return word, rest
    found = _WORD.match(line := line.lstrip(BLANKS))
    assert found is not None  # the line begins with a word
    return "".join(split_words(found.group())), line[found.end() :].lstrip(BLANKS)


def last_word(line: str) -> tuple[int, str]:
    """Where the last word of a line begins, and the word without its quotes; the last quote may still be open."""
    begin = next((match.start() for match in _WORD.finditer(line) if match.end() == len(line)), len(line))
    for end in ("", "\\", '\\"', "'", '"'):  # what may complete the word, a backslash's own first
        with suppress(ValueError):
            return begin, "".join(shlex.split(line[begin:] + end))
    return begin, line[begin:]


def split_words(text: str) -> list[str]:
    """Split words as a shell does. Raises CommandError for a quotation that is not closed."""
    if not _NEEDS_SHELL_SPLITTING.search(text):
        return text.split()  # nearly every line; shlex takes twenty times as long
    try:
        return shlex.split(text)
    except ValueError as error:
        reason = str(error).lower()
        raise CommandError(f"{reason} in: {text.strip(BLANKS)}", Status.UNUSABLE) from None


def words_with_places(text: str) -> Iterator[tuple[int, str]]:
    """The words of a text, still in their quotes, each with its place."""
    for match in _WORD.finditer(text):
        yield match.start(), match.group()
