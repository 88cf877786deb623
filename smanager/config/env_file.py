r"""Files of environment variables, in the manner of systemd's `EnvironmentFile=` (systemd.exec(5)) and of dotenv.

Where the two differ: a `#` after a blank begins a comment, and `export` may stand before a name, as in dotenv's files;
`\n` in double quotes stays two characters, and `$NAME` stays what it is, as in systemd's.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from smanager.system.errors import in_words
from smanager.system.given import content

SIZE_LIMIT = 1024 * 1024  # bytes of a file: half of what Linux takes as a program's whole environment by default

# The quantifiers around alternatives are possessive, so that the time is in proportion to the length of the text.
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"  # a name as POSIX has it, or with dots and dashes, as dotenv has it
_IGNORED = re.compile(r"(?:[ \t\r\n]++|[#;][^\n]*)*+")  # from the start of a line
_ASSIGNMENT = re.compile(rf"(export[ \t]+)?({_NAME})[ \t]*=")
_NEXT_EXPORTED = re.compile(rf"[ \t\r]+()({_NAME})=")
_BLANKS = re.compile(r"[ \t\r]*")
_PLAIN = r"(?:[^\\ \t\r\n]++|\\(?:.|\Z)|[ \t\r]+(?![ \t\r\n#]|\Z%s))*+"  # blanks at the end are not part of it
_VALUE, _EXPORTED_VALUE = (re.compile(_PLAIN % end, re.DOTALL) for end in ("", rf"|{_NAME}="))
_QUOTED_VALUE = re.compile(r"""(?:'[^']*'|"(?:[^"\\]++|\\.)*+"|\\(?:.|\Z)|[^'"\\ \t\r\n]++)*+""", re.DOTALL)
_PIECE = re.compile(r"""'([^']*)'|"((?:[^"\\]++|\\.)*+)"|\\(.|\Z)|[^'"\\]+""", re.DOTALL)
_REST_OF_LINE = re.compile(r"(?:[ \t\r]+(?:#[^\n]*)?)?(?:\n|\Z)")


def variables_in(text: str) -> dict[str, str]:
    """The variables of a file's text. Raises ValueError for the first line that is wrong.

    The message does not quote the line: whoever may see the service may see it, and values may be secret.
    """
    text = text.replace("\r\n", "\n")
    variables: dict[str, str] = {}
    at = 0
    while (at := _end(_IGNORED, text, at)) < len(text):
        begin = at
        assignment = _ASSIGNMENT.match(text, at)
        if not assignment:
            raise _mistake(text, begin, "should be NAME=VALUE, or a comment after #")
        exports = assignment[1] is not None
        while assignment:
            variables[assignment[2]], at = _value(text, assignment.end(), _EXPORTED_VALUE if exports else _VALUE)
            assignment = _NEXT_EXPORTED.match(text, at) if exports else None
        if text[at : at + 1] in ("'", '"'):
            raise _mistake(text, begin, "has a quote that is not closed")
        if not (rest := _REST_OF_LINE.match(text, at)):
            what = "should end after the closing quote, or go on with a blank and a comment after #"
            raise _mistake(text, begin, what)
        at = rest.end()
    if "\0" in text:
        raise _mistake(text, text.index("\0"), "has a NUL character")
    return variables


def _mistake(text: str, at: int, what: str) -> ValueError:
    line = text.count("\n", 0, at) + 1
    return ValueError(f"line {line} {what}")


def _value(text: str, start: int, plain: re.Pattern[str]) -> tuple[str, int]:
    """The value that begins somewhere, and where it ends; at a quote if that is not closed."""
    begin = _end(_BLANKS, text, start)
    if text[begin : begin + 1] in ("'", '"'):
        end = _end(_QUOTED_VALUE, text, begin)
        return _PIECE.sub(_unquoted, text[begin:end]), end
    end = _end(plain, text, start)
    return re.sub(r"(?s)\\(.|\Z)", _escaped, text[start:end].lstrip(" \t\r")), end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _unquoted(piece: re.Match[str]) -> str:
    if piece[1] is not None:
        return piece[1]
    if piece[2] is not None:
        return re.sub(r'\\([\\"`$\n])', _escaped, piece[2])
    return _escaped(piece) if piece[3] is not None else piece[0]


def _escaped(found: re.Match[str]) -> str:
    """What a backslash leaves of the character after it: the character, but no newline."""
    return "" if found[found.lastindex or 0] == "\n" else found[found.lastindex or 0]


def read_variables(path: str) -> dict[str, str]:
    """The variables in a file. Raises ValueError, whose text is one line that names the file, if that has none."""
    data = _data(path)
    try:
        return variables_in(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: line {data.count(10, 0, error.start) + 1} is not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def fingerprint(paths: Iterable[str]) -> list[list[int] | str]:
    """Tells whether files have changed, by what they contain; for each a list of numbers, or what is wrong with it."""
    prints: list[list[int] | str] = []
    for path in paths:
        try:
            data = _data(path)
            prints.append([len(data), zlib.crc32(data)])  # no digest by which a secret could be guessed
        except ValueError as error:
            prints.append(str(error))
    return prints


def _data(path: str) -> bytes:
    """A file's contents. Raises ValueError if it cannot be read, is too large, or not a file."""
    try:
        return content(path, SIZE_LIMIT)
    except OSError as error:
        raise ValueError(f"{path}: {in_words(error)}") from None
