"""Writes the manual pages, made from the parsers and the records of keys: `python -m docs.man [DIRECTORY]`.

The wheel brings them along: see hatch_build.py.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import tshell
from smanager import __version__
from smanager.config import options
from smanager.config.checks import Key
from smanager.config.completion import all_parsers
from smanager.config.file import TABLES
from smanager.system.descriptors import open_standard_descriptors

DIRECTORY = Path("build/man")

CONFIGURATION = """\
The manager reads smanager.toml in its working directory, or else beside smanager.py; the option \\-\\-config names
another file. The file is TOML, and every key is optional. Relative paths start at the directory of the file.
"""


def pages() -> dict[str, str]:
    """The pages, by the names of their files."""
    return {
        name: "\n".join([*lines, ""])
        for name, lines in (
            ("smanager.1", _smanager()),
            ("tshell.1", _tshell()),
            ("smanager.toml.5", _configuration()),
        )
    }


def write(directory: Path) -> list[Path]:
    """Write the pages into a directory, which is made; return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, page in pages().items():
        (directory / name).write_text(page)
    return [directory / name for name in pages()]


def _smanager() -> Iterator[str]:
    main, *subcommands = all_parsers(options.parser())
    yield from _head(main, "keep services running, and give people, scripts and programs limited access to them")
    yield from _arguments(main)
    yield ".SH COMMANDS"
    for parser in subcommands:
        yield f".SS {_usage(parser)}"
        if parser.description:
            yield _text(parser.description)
        yield from _arguments(parser)
    yield from (".SH SEE ALSO", ".BR smanager.toml (5),", ".BR tshell (1)")


def _tshell() -> Iterator[str]:
    parser = tshell.parser()
    yield from _head(parser, "talk to SManager")
    yield from _arguments(parser)
    yield from (".SH SEE ALSO", ".BR smanager (1)")


def _configuration() -> Iterator[str]:
    yield from _title("smanager.toml", 5, "the configuration of SManager")
    yield from (".SH DESCRIPTION", CONFIGURATION.strip())
    for table, keys in TABLES.items():
        yield f".SH {_text(table or 'KEYS OUTSIDE OF TABLES')}"
        yield from _keys(keys)
    yield from (".SH SEE ALSO", ".BR smanager (1)")


def _keys(keys: Mapping[str, Key]) -> Iterator[str]:
    for name, key in keys.items():
        default = "" if key.default is None else f" (default: {json.dumps(key.default)})"
        yield from (".TP", f".B {_text(name)}", _text(f"{key.meaning}{default}."), f"Value: {_text(key.values)}.")


def _title(name: str, section: int, summary: str) -> Iterator[str]:
    yield f'.TH {name.upper()} {section} "" "SManager {__version__}"'
    yield from (".SH NAME", f"{name} \\- {summary}")


def _head(parser: argparse.ArgumentParser, summary: str) -> Iterator[str]:
    yield from _title(parser.prog, 1, summary)
    yield from (".SH SYNOPSIS", _usage(parser))
    yield from (".SH DESCRIPTION", _text(parser.description), ".PP", _text(parser.epilog), ".SH OPTIONS")


def _usage(parser: argparse.ArgumentParser) -> str:
    return _text(re.sub(r"\s+", " ", parser.format_usage()).removeprefix("usage: ").strip())


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The positional arguments, and the options."""
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):
            continue
        names = ", ".join(f"\\fB{_text(option)}\\fR" for option in action.option_strings)
        value = "" if action.nargs == 0 else f"\\fI{_text(_value(action))}\\fR"
        yield from (".TP", f"{names} {value}".strip(), _text(action.help))


def _value(action: argparse.Action) -> str:
    if action.choices:
        return "|".join(action.choices)
    return str(action.metavar or (action.dest.upper() if action.option_strings else action.dest))


def _text(text: str | None) -> str:
    """Text as roff takes it literally."""
    escaped = (text or "").replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)


if __name__ == "__main__":
    open_standard_descriptors()
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY)
