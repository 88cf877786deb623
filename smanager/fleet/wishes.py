"""What the user has typed to ask several nodes: which nodes, how, and what they are asked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from smanager.commands.types import seconds_of
from smanager.fleet.selection import LABEL_EXAMPLE, NodeSelection, SelectionError
from smanager.terminal.cells import cut

READ_ONLY = "x-read-only"  # true of methods that change nothing

MOST_COUNTED = 1_000_000  # of nodes in a batch, and of failures: more than a fleet has
LONGEST_DAYS = 30  # of a pause or a deadline: more than a prompt stays open
DAY = 86400.0  # seconds

SHOWN = 40  # columns of a wrong value that a message shows

MARK = "@"  # begins a word that names nodes where a command's own words may follow

# A finished word, with its quotes.
_WORD = re.compile(r"""\s*((?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)""", re.DOTALL)


def split_word(line: str) -> tuple[str, str]:
    """The first word of a line, without its quotes, and the rest as typed; no word if none is complete."""
    match = _WORD.match(line)
    if not match:
        return "", line.strip()
    return "".join(shlex.split(match[1])), line[match.end() :].strip()


def changes_nothing(line: str, methods: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a line is one command that changes nothing, as `rpc.discover` describes the methods."""
    first, rest = split_word(line)
    second, _ = split_word(rest)
    known = {method["name"]: method.get(READ_ONLY) is True for method in methods}
    is_known = first == "help" or known.get(first, known.get(f"{first}.{second}", False))
    return is_known and not {";", "\n"} & {*line}


@dataclass(frozen=True)
class Wish:
    """How nodes are asked."""

    patterns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    batch: int = 0
    """How many nodes are asked at a time; 0 for all at once."""
    pause: float = 0.0
    """Seconds from one batch to the next."""
    stop_after: int = 1
    """Failures after which no further batch is asked."""
    deadline: float | None = None
    """Seconds after which nodes that have not answered are given up."""
    yes: bool = False
    """Whether nobody is asked before something changes on several nodes."""
    json: bool = False
    line: str = field(default="", compare=False)
    """What the nodes are asked."""

    @property
    def selection(self) -> NodeSelection:
        """Raises SelectionError."""
        return NodeSelection.of(self.patterns, self.labels)

    def with_line(self, line: str) -> Wish:
        return replace(self, line=line.strip())


def _count(text: str) -> int:
    is_short = text.isdecimal() and len(text) <= len(
        str(MOST_COUNTED)
    )  # int refuses thousands of digits in its own words
    if not is_short or not 0 < int(text) <= MOST_COUNTED:
        raise ValueError(f"a number from 1 to {MOST_COUNTED}")
    return int(text)


def _seconds(text: str) -> float:
    if not 0 <= (seconds := seconds_of(text)) <= LONGEST_DAYS * DAY:
        raise ValueError(f"a time span such as 30s, of at most {LONGEST_DAYS}d")
    return seconds


_TAKES_VALUE: dict[str, Callable[[str], Any]] = {
    "-l": str,
    "--label": str,
    "--batch": _count,
    "--pause": _seconds,
    "--stop-after": _count,
    "--deadline": _seconds,
}
_FLAGS: dict[str, dict[str, Any]] = {"-y": {"yes": True}, "--yes": {"yes": True}, "--json": {"json": True}}
OPTIONS = (*_TAKES_VALUE, *_FLAGS)

HELP = f"""\
  -l, --label {LABEL_EXAMPLE}   only nodes that have the label; may be given again
  --deadline 30s      give up nodes that have not answered by then
  --json              print a JSON object for each node
and for what changes something:
  -y, --yes           do not ask before
  --batch 10          ask so many nodes at a time
  --pause 30s         wait so long between batches
  --stop-after 2      stop after so many failures; by default after the first, where there are batches
"""


def wish_of(text: str, before: Wish = Wish()) -> Wish:
    """Read the marked nodes and the options that `text` begins with, beside those of `before`; the rest is the line.

    Raises SelectionError for a wrong option.
    """
    wish = before
    while True:
        word, rest = split_word(text)
        name, equals, value = word.partition("=")
        if word.startswith(MARK):
            wish = replace(wish, patterns=(*wish.patterns, word))
        elif name in _TAKES_VALUE:
            if not equals:
                value, rest = split_word(rest)
            wish = replace(wish, **_given(name, value, wish))
        elif word in _FLAGS:
            wish = replace(wish, **_FLAGS[word])
        else:
            return wish.with_line(text)
        text = rest


def wish_on_nodes(text: str) -> Wish:
    """Read nodes and options, and then a command: the first word that is not an option names nodes, marked or not.

    Raises SelectionError.
    """
    wish = wish_of(text)
    if wish.line and not wish.patterns:
        word, rest = _plain_word(wish.line, "a node")
        wish = wish_of(rest, before=replace(wish, patterns=(word,)))
    if not wish.line:
        missing = "command is" if wish.patterns else "nodes are"
        raise SelectionError(f"the {missing} missing; usage: on NODES [OPTIONS] COMMAND")
    _plain_word(wish.line, "a command")
    return wish


def scattered_wish_of(text: str) -> Wish:
    """Read nodes and options from among the words of a command that takes no such words itself.

    Raises SelectionError.
    """
    wish, kept = wish_of(text), []
    while wish.line:
        _, rest = split_word(wish.line)
        if rest == wish.line:
            raise SelectionError(f"{rest}: no closing quotation")
        kept.append(wish.line.removesuffix(rest).strip())
        wish = wish_of(rest, before=wish)
    return wish.with_line(" ".join(kept))


def nodes_wish_of(text: str) -> Wish:
    """Read nodes and options in any order, where no command follows. Raises SelectionError."""
    wish = scattered_wish_of(text)
    return replace(wish, patterns=(*wish.patterns, *plain_words_of(wish.line, "a node")), line="")


def plain_words_of(line: str, what: str) -> list[str]:
    """The words of a line, each of which should be `what`. Raises SelectionError."""
    words = []
    while line:
        word, line = _plain_word(line, what)
        words.append(word)
    return words


def words_of(line: str) -> list[str]:
    """The words of a line, without their quotes. Raises SelectionError."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise SelectionError(f"{line}: {str(error).lower()}") from None


def _plain_word(line: str, what: str) -> tuple[str, str]:
    """The first word of a line, which should be `what`, and the rest. Raises SelectionError."""
    word, rest = split_word(line)
    if not word or word.startswith("-"):
        raise SelectionError(f"{word or line} is not {what} or an option; options are {', '.join(OPTIONS)}")
    return word, rest


def _given(name: str, value: str, wish: Wish) -> dict[str, Any]:
    """Raises SelectionError."""
    if name in ("-l", "--label"):
        return {"labels": (*wish.labels, value)}
    try:
        return {name.removeprefix("--").replace("-", "_"): _TAKES_VALUE[name](value)}
    except ValueError as error:
        raise SelectionError(f"{name} is {cut(value, SHOWN, '…') or 'missing'}, and should be {error}") from None
