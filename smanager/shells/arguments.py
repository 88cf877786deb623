"""The words behind a command of the manager's own: argparse's rules, without its exits and prints."""

from __future__ import annotations

import argparse
from functools import partial
from typing import NoReturn

from smanager.commands.record import CommandError, Status, split_words

MOST_DIGITS = 9

USAGE_WIDTH = 1000
"""Characters: it is shown in one line."""


class Arguments(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def __init__(self, name: str) -> None:
        # A width of its own, or argparse imports shutil to ask for the terminal's, and that all compression.
        formatter = partial(argparse.HelpFormatter, width=USAGE_WIDTH)
        super().__init__(prog=name, add_help=False, allow_abbrev=False, formatter_class=formatter)

    def read(self, text: str) -> argparse.Namespace:
        """The arguments in `text`. Raises CommandError where they are wrong."""
        return self.parse_args(split_words(text))

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split())
        raise CommandError(f"{self.prog}: {message}; {usage}", Status.UNUSABLE)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} should be a number of seconds")
    return value


def is_number(word: str) -> bool:
    """Whether a word is a whole number that somebody may mean."""
    return word.isdecimal() and len(word) <= MOST_DIGITS


def count(text: str) -> int:
    if not is_number(text):
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number")
    return int(text)
