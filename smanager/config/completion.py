"""Scripts that complete the manager's command line in bash, zsh and fish, made from the parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from smanager.access import administration

BASH = """_smanager() {{
    local context= choices= word
    for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD - 1))}}"; do
        case "$context $word" in {subcommands}) context="$context $word" ;; esac
    done
    case "$3" in
        {valued}) return ;;
        {cases}
        *) case "$context" in
            {contexts}
        esac ;;
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
    known = commands(parser)
    if shell == "fish":
        return "".join(f"{line}\n" for line in _fish(known))
    return (ZSH if shell == "zsh" else "") + _bash(known)


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The manager's own parser as `""` and, by their words, those of all subcommands, such as `user add`."""
    return {**_subcommands(administration.parser()), "": parser}


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings and action.help != argparse.SUPPRESS]


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    known = {"": parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, subparser in action.choices.items():
                known |= {f"{name} {words}".strip(): one for words, one in _subcommands(subparser).items()}
    return known


def _following(words: str, known: Iterable[str]) -> list[str]:
    """The subcommands that may come after these words."""
    return [name.rpartition(" ")[2] for name in known if name and name.rpartition(" ")[0] == words]


def _bash(known: Mapping[str, argparse.ArgumentParser]) -> str:
    actions = {option: action for one in known.values() for action in options(one) for option in action.option_strings}
    valued = {option: action.choices for option, action in actions.items() if action.nargs != 0}
    return BASH.format(
        subcommands="|".join(f'" {words}"' for words in known if words),
        valued="|".join(option for option, choices in valued.items() if not choices),
        cases="\n        ".join(
            f'{option}) choices="{" ".join(choices)}" ;;' for option, choices in valued.items() if choices
        ),
        contexts="\n            ".join(
            f'"{f" {words}" if words else ""}") choices="{" ".join(_choices(words, known))}" ;;' for words in known
        ),
    )


def _choices(words: str, known: Mapping[str, argparse.ArgumentParser]) -> list[str]:
    """What may come next: subcommands, and options in full."""
    return [*_following(words, known), *(action.option_strings[-1] for action in options(known[words]))]


def _fish(known: Mapping[str, argparse.ArgumentParser]) -> Iterator[str]:
    yield f"{FISH} -f"
    for words, parser in known.items():
        conditions = [f"__fish_seen_subcommand_from {word}" for word in words.split()]
        if following := _following(words, known):
            conditions.append(f"not __fish_seen_subcommand_from {' '.join(following)}")
        line = f"{FISH} -n {_quoted('; and '.join(conditions))}"
        for name in following:
            yield f"{line} -a {name} -d {_quoted(known[f'{words} {name}'.strip()].description or '')}"
        for action in options(parser):
            yield f"{line} {_fish_option(action)} -d {_quoted(action.help or '')}"


def _fish_option(action: argparse.Action) -> str:
    names = " ".join(
        f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}" for option in action.option_strings
    )
    if action.nargs == 0:
        return names
    if action.type is Path:
        return f"{names} -r -F"
    return f"{names} -x" + (f" -a {_quoted(' '.join(action.choices))}" if action.choices else "")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
