"""The words that callers type for a command's parameters: how they are spelled, shown, and told apart."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from smanager.commands.line import BLANKS, split_words, words_with_places
from smanager.commands.record import Parameter
from smanager.commands.types import FALSE, TRUE, choice_word, member_words

HELP = ("--help", "-h")
"""Options of every command that has none of its own by these names."""

FLAGS_LIMIT = 100  # characters of flags in one word: each is a call inside the one before
_PREFIXES = {True: "--", False: "--no-"}  # of flags, by what they say
_MISREAD = re.compile(r"""[\s'"\\;,]""")
_NUMBER = re.compile(r"-\.?\d")  # how a negative number begins; options have names, so none begins so


def is_flag(parameter: Parameter) -> bool:
    """Whether the parameter is an option without a value."""
    return parameter.option and parameter.kind == "bool" and not parameter.several


def spelled(name: str) -> str:
    """A parameter's name as callers read it: Python keeps `from` for itself, so methods have `from_`."""
    return name.rstrip("_") or name


def flags(parameter: Parameter) -> dict[str, bool]:
    """All words of a flag and what each says."""
    short = {f"-{parameter.short}": parameter.default is not True} if parameter.short else {}
    return short | {f"{prefix}{name}": value for value, prefix in _PREFIXES.items() for name in _names(parameter)}


def option_names(parameter: Parameter) -> list[str]:
    """The words for an option: its short form, and its name with dashes and as the method has it.

    Of a flag's words, those that say the opposite of its default, where it has one.
    """
    if is_flag(parameter):
        return [name for name, value in flags(parameter).items() if value is not parameter.default]
    short = [f"-{parameter.short}"] if parameter.short else []
    return [*short, *(f"--{name}" for name in _names(parameter))]


def given_as(parameter: Parameter) -> list[str]:
    """What people read for a parameter: a position's name, or an option's words with dashes."""
    if not parameter.option:
        return [spelled(parameter.name)]
    return list(dict.fromkeys(name[:2] + spelled(name[2:]).replace("_", "-") for name in option_names(parameter)))


def _names(parameter: Parameter) -> list[str]:
    """An option's name as callers may spell it: with dashes, and as the method has it."""
    name = spelled(parameter.name)
    return list(dict.fromkeys([name.replace("_", "-"), name, parameter.name]))


def quoted(word: str) -> str:
    """A word as callers may type it: in quotes only if it would be misread without them."""
    if word and not _MISREAD.search(word):
        return word
    return shlex.quote(word) if word.isprintable() else repr(word)


def words_of(parameter: Parameter) -> list[str]:
    """All words that a parameter accepts, if they can be listed."""
    if parameter.kind == "choice":
        return list(map(choice_word, parameter.choices))
    if parameter.kind == "member":
        return member_words(parameter.members)
    return [TRUE[0], FALSE[0]] if parameter.kind == "bool" else []


def usage(caption: str, parameters: Sequence[Parameter]) -> str:
    """How to type a command with these parameters; `caption` has the words that lead to the command."""
    return " ".join([caption, *map(_shape, sorted(parameters, key=lambda parameter: not parameter.option))])


def typed(caption: str, parameters: Sequence[Parameter], values: Mapping[str, Any]) -> str:
    """How to type a command with these JSON values, by their parameters' names."""
    given = [parameter for parameter in parameters if parameter.name in values]
    options = [word for one in given if one.option for word in _typed_words(one, values[one.name])]
    positions = [word for one in given if not one.option for word in _typed_words(one, values[one.name])]
    if any(word.lstrip("'").startswith("-") for word in positions):
        options.append("--")
    return " ".join([caption, *options, *positions])


def _typed_words(parameter: Parameter, value: Any) -> list[str]:
    is_list = isinstance(value, list) and (parameter.several or parameter.rest)
    return [word for item in (value if is_list else [value]) for word in _typed_word(parameter, item)]


def _typed_word(parameter: Parameter, value: Any) -> list[str]:
    if is_flag(parameter) and isinstance(value, bool):
        return [f"{_PREFIXES[value]}{spelled(parameter.name).replace('_', '-')}"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.lower() if parameter.kind == "member" else text
    word = text if parameter.kind == "line" else quoted("none" if value is None else text)
    return [given_as(parameter)[-1], word] if parameter.option else [word]


def _shape(parameter: Parameter) -> str:
    names = given_as(parameter)
    value = names[0] if not parameter.option else spelled(parameter.name).upper()
    if parameter.kind == "services":
        value = "SERVICE"
    elif parameter.kind in ("choice", "member"):
        value = f"{{{','.join(map(quoted, words_of(parameter)))}}}"  # choices with blanks are typed in quotes
    if is_flag(parameter):
        shape = names[0] if isinstance(parameter.default, bool) else " | ".join(names)
    elif parameter.option:
        shape = f"{names[0]} {value}"
    elif parameter.several or parameter.rest:
        shape = f"{value} [{value} ...]" if parameter.required else f"{value} ..."
    else:
        shape = value
    return shape if parameter.required else f"[{shape}]"


class GivenOption(NamedTuple):
    parameter: Parameter
    name: str  # as typed
    value: str | None  # none for a flag without `=`, and where the value is missing


class Words:
    """The words behind a command, told apart.

    Options stand anywhere before a `--`; where a `Line` parameter takes the rest, only before the first position.
    """

    def __init__(self, parameters: Sequence[Parameter], text: str) -> None:
        """Raises CommandError for a quotation that is not closed."""
        options = [parameter for parameter in parameters if parameter.option]
        self.by_name = {
            name: option for option in options for name in (flags if is_flag(option) else option_names)(option)
        }
        self.by_name |= {f"--{option.name}": option for option in options}  # `to` and `to_` may both be options
        self._has_line = any(parameter.kind == "line" for parameter in parameters)
        self._takes_any_words = any(parameter.rest and parameter.kind == "text" for parameter in parameters)
        self.options: list[GivenOption] = []
        self.positions: list[str] = []
        self.unknown: list[str] = []
        """Words that look like options, among the positions."""
        self.awaiting: Parameter | None = None
        """The option whose value would be the next word."""
        self.takes_options = bool(self.by_name) or not self._has_line
        """Whether the next word may be an option; a `--` without options before a `Line` is part of its text."""
        self.asks_help = text.strip(BLANKS) in HELP and not self.by_name.get(text.strip(BLANKS))
        """Whether help is asked for, in place of what the command does."""
        self.line = ""
        """The text of a `Line` parameter, also among the positions."""
        if not self._has_line:
            for word in split_words(text):
                self._add(word)
            return
        before = sum(not parameter.option for parameter in parameters) - 1
        for place, typed in words_with_places(text):
            begins_line = len(self.positions) == before and not self.awaiting and not typed.startswith("-")
            self._add(typed if begins_line else "".join(split_words(typed)))
            if len(self.positions) > before:
                self.positions[before] = self.line = text[place:]
                break

    def _add(self, word: str) -> None:
        awaiting, self.awaiting = self.awaiting, None
        is_optionlike = word.startswith("-") and word != "-" and not _NUMBER.match(word) and " " not in word
        if awaiting and not is_optionlike:
            self.options[-1] = self.options[-1]._replace(value=word)
        elif self.takes_options and word == "--":
            self.takes_options = False
        elif self.takes_options and word in HELP and word not in self.by_name and self._may_ask_help():
            self.asks_help = True
        elif not (self.takes_options and self._add_option(word)):
            self.positions.append(word)
            if self._has_line:
                self.takes_options = False
            elif is_optionlike and self.takes_options and self.by_name:
                self.unknown.append(word)

    def _may_ask_help(self) -> bool:
        """Whether the next word may ask for help: behind others, it may be one of a command's many words of text."""
        return not self._takes_any_words or bool(self.by_name) or not self.positions

    def _add_option(self, word: str) -> bool:
        """Take a word such as `--count`, `--count=5`, `-n5` or `-fn5`; returns whether it begins with an option."""
        name, has_value, value = word.partition("=")
        if option := self.by_name.get(name):
            self.options.append(GivenOption(option, name, value if has_value else None))
            self.awaiting = None if has_value or is_flag(option) else option
        elif option := self.by_name.get(name := word[:2]):
            self.options.append(GivenOption(option, name, None if is_flag(option) else word[2:]))
            return not is_flag(option) or (len(word) <= FLAGS_LIMIT and self._add_option(f"-{word[2:]}"))
        return option is not None
