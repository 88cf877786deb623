"""Scripts that complete the manager's command line in bash, zsh and fish, made from the parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from shlex import quote

from smanager.access import administration
from smanager.commands.option_parser import OptionParser
from smanager.fleet import administration as hub

ATTACH = "Open the shell of the manager that runs."

PATHS = ("FILE", "DIR", "PATH")
"""What options call values that are paths."""

BASH = """_smanager() {{
    local place=smanager choices= word
    for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD - 1))}}"; do
        case "$place $word" in {places}) place="$place $word" ;; esac
    done
    case "$3" in {valued}) place="$3" ;; esac
    case "$place" in
        {choices}
    esac
    COMPREPLY=($(compgen -W "$choices" -- "$2"))
}}
complete -o default -F _smanager smanager smanager.py
"""

ZSH = "#compdef smanager smanager.py\nautoload -U +X bashcompinit && bashcompinit\n"
"""zsh runs the script for bash."""

FISH = "complete -c smanager -c smanager.py"


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """A completion script for `bash`, `zsh` or `fish`; `parser` is the manager's own."""
    parsers = all_parsers(parser)
    if shell == "fish":
        return "".join(f"{line}\n" for line in (f"{FISH} -f", *_fish(parsers)))
    return (ZSH if shell == "zsh" else "") + _bash(parsers)


def all_parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The manager's own parser and those of all subcommands, each with its words as `prog`, such as `smanager user`."""
    name = f"{parser.prog} attach"
    attach = OptionParser(prog=name, usage=name, add_help=False, description=ATTACH)
    return [parser, attach, *_below(administration.parser()), *_below(hub.parser())]


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings and action.help != argparse.SUPPRESS]


def _below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield subparser
                yield from _below(subparser)


def _following(parser: argparse.ArgumentParser, parsers: Iterable[argparse.ArgumentParser]) -> dict[str, str]:
    """The subcommands that may come next, with their descriptions."""
    split = [(one.prog.rpartition(" "), one.description or "") for one in parsers]
    return {word: description for (before, _, word), description in split if before == parser.prog}


def _bash(parsers: list[argparse.ArgumentParser]) -> str:
    actions = [action for parser in parsers for action in options(parser) if action.nargs != 0]
    valued = {option: list(action.choices or ()) for action in actions for option in action.option_strings}
    places = {
        parser.prog: [*_following(parser, parsers), *(action.option_strings[-1] for action in options(parser))]
        for parser in parsers
    }
    choices = {**valued, **places}.items()
    return BASH.format(
        places="|".join(f'"{place}"' for place in places),
        valued="|".join(valued),
        choices="\n        ".join(f'"{place}") choices="{" ".join(words)}" ;;' for place, words in choices if words),
    )


def _fish(parsers: list[argparse.ArgumentParser]) -> Iterator[str]:
    for parser in parsers:
        conditions = [f"__fish_seen_subcommand_from {word}" for word in parser.prog.split()[1:]]
        if following := _following(parser, parsers):
            conditions.append(f"not __fish_seen_subcommand_from {' '.join(following)}")
        line = f"{FISH} -n {quote('; and '.join(conditions))}"
        for name, description in following.items():
            yield f"{line} -a {name} -d {quote(description)}"
        for action in options(parser):
            names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in action.option_strings]
            value = "" if action.nargs == 0 else "-r -F" if action.metavar in PATHS else "-x"
            choices = f"-a {quote(' '.join(action.choices))}" if action.choices else ""
            yield " ".join(filter(None, [line, *names, value, choices, "-d", quote(action.help or "")]))
