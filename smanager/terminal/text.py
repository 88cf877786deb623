"""Text from services and callers: as its original bytes, or safe to show on a terminal and in a log."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

# What a terminal acts on instead of showing it: the C0 controls but tab and newline, DEL, the C1 controls;
# the marks that reorder a line (Unicode UAX #9), by which one text can pass for another; and the lone
# surrogates that stand for bytes which were not UTF-8.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Lone surrogates that stand for no byte: half a character of UTF-16."""

_ERROR_LINE = re.compile(r"^\*\*\* [^\r\n]*", re.MULTILINE)

_COLOURFUL = re.compile(
    r"xterm|screen|tmux|rxvt|linux|putty|konsole|alacritty|kitty|foot|wezterm|ghostty|vte|gnome|iterm|cygwin|.*color"
)

RED, GREEN, YELLOW = 31, 32, 33
"""As SGR has it (ECMA-48)."""

TYPO_LIMIT = 100  # characters of a word that is compared with known ones: a megabyte takes seconds

CUT = " [cut]"  # marks a printed line that was too long, and goes on as the next


def visible(text: str) -> str:
    """The text with everything that a terminal would act on escaped, as `\\x1b`; tabs and newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_escaped, text.replace("\r\n", "\n"))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # the byte that Python's surrogateescape hid here
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


def has_colours(terminal: str) -> bool:
    """Whether a terminal of this type has colours. Only the name can tell: terminfo is on the client's machine."""
    return bool(_COLOURFUL.match(terminal.lower())) and not os.environ.get("NO_COLOR")  # https://no-color.org


def coloured(text: str) -> str:
    """Text that is safe to show, with what went wrong in red."""
    return _ERROR_LINE.sub(lambda line: red(line.group()), text) if "*** " in text else text


def red(text: str) -> str:
    return in_colour(text, RED)


def in_colour(text: str, colour: int) -> str:
    """Text that is safe to show, in one of the colours that every terminal with colours has."""
    return f"\x1b[{colour}m{text}\x1b[39m"


def as_bytes(text: str) -> bytes:
    """The text in UTF-8; bytes that were not UTF-8 when read come back unchanged."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _NO_BYTE.sub("?", text).encode("utf-8", "surrogateescape")


def one_spelling(name: str) -> str:
    """A name with underscores for dashes, and letters composed as Python has them: callers may write either."""
    if not name.isascii():
        import unicodedata  # here, because few names need it, and it takes memory in each process

        name = unicodedata.normalize("NFKC", name)
    return name.replace("-", "_")


def begins(name: str, typed: str) -> bool:
    """Whether a name begins with the letters typed so far, with dashes for underscores or the other way."""
    return one_spelling(name).startswith(one_spelling(typed))


def resembling(word: str, known: Sequence[str], most: int) -> list[str]:
    """The known words that the user may have meant, the nearest first."""
    import difflib  # a mistake is seldom, and this takes memory in each process

    return difflib.get_close_matches(word, known, most) if len(word) <= TYPO_LIMIT else []
