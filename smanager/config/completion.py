"""Scripts that complete the manager's command line in bash, zsh and fish, made from the parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from smanager.access import administration

BASH = """_smanager() {{
    local context= choices= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
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
    """A completion script for `bash`, `zsh` or `fish`; `parser` knows the options beside `user` and `token`."""
    known = commands(parser)
    if shell == "fish":
        return "".join(f"{line}\n" for line in _fish(known))
    return (ZSH if shell == "zsh" else "") + _bash(known)


def commands(parser: argparse.ArgumentParser) -> dict[str, list[argparse.Action]]:
    """The options and arguments of the manager itself and, by their words, of each subcommand such as `user add`."""
    known = _subcommands(administration.parser())
    return {**known, "": [*parser._actions, *(action for action in known[""] if not action.option_strings)]}


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, list[argparse.Action]]:
    known = {"": parser._actions}
    for name, subparser in _choices(parser._actions).items():
        known |= {f"{name} {words}".strip(): actions for words, actions in _subcommands(subparser).items()}
    return known


def _choices(actions: list[argparse.Action]) -> dict[str, argparse.ArgumentParser]:
    """The subcommands that follow next."""
    subparsers = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    return dict(subparsers[0].choices) if subparsers else {}


def _bash(known: dict[str, list[argparse.Action]]) -> str:
    options = {option: action for actions in known.values() for action in actions for option in action.option_strings}
    valued = {option: action.choices for option, action in options.items() if action.nargs != 0}
    return BASH.format(
        subcommands="|".join(f'" {words}"' for words in known if words),
        valued="|".join(option for option, choices in valued.items() if not choices),
        cases="\n        ".join(
            f'{option}) choices="{" ".join(choices)}" ;;' for option, choices in valued.items() if choices
        ),
        contexts="\n            ".join(
            f'"{f" {words}" if words else ""}") choices="{" ".join(_words(actions))}" ;;'
            for words, actions in known.items()
        ),
    )


def _words(actions: list[argparse.Action]) -> Iterator[str]:
    """What may come next: subcommands, or options in full."""
    yield from _choices(actions)
    for action in actions:
        yield from action.option_strings[-1:]


def _fish(known: dict[str, list[argparse.Action]]) -> Iterator[str]:
    yield f"{FISH} -f"
    for words, actions in known.items():
        conditions = [f"__fish_seen_subcommand_from {word}" for word in words.split()]
        if following := _choices(actions):
            conditions.append(f"not __fish_seen_subcommand_from {' '.join(following)}")
        line = f"{FISH} -n {_quoted('; and '.join(conditions))}"
        for name, subparser in following.items():
            yield f"{line} -a {name} -d {_quoted(subparser.description or '')}"
        for action in actions:
            if action.option_strings:
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
