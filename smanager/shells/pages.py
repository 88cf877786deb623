"""The pages that shells print: to the letter as the first users of SManager know them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping

from smanager.commands.record import SHELLS_OWN, Command, Parameter
from smanager.commands.shapes import wording
from smanager.commands.types import FALSE, TRUE
from smanager.commands.words import given_as, is_flag, quoted, usage, words_of
from smanager.shells.view import View
from smanager.supervision.catalogue import Service
from smanager.supervision.commands.own import OwnCommand
from smanager.terminal.prose import reflowed

WIDTH = 50
SERVICE_WIDTH = 40

KIND_NAMES = {"timedelta": "time span", "services": "services", "line": "the rest of the line"}
"""Kinds of parameters that help calls otherwise."""

FOR_SHELL = "Shell"

STARS = "*" * WIDTH + "\n"
SEPARATOR = "-" * WIDTH + "\n"
SERVICE_SEPARATOR = "-" * SERVICE_WIDTH + "\n"


def banner(view: View) -> str:
    """What a person reads on connecting."""
    services = "".join(f"-{name}\n" for name in view.services)
    return f"{STARS}Service Manager\n{STARS}Available Services:\n{services}{SEPARATOR}"


def root_help(view: View, shell: object) -> str:
    """Everything that can be called from the root, whose shell this is."""
    own = {name: _doc(shell, name).partition("\n")[0] for name in _own_names(view)}
    groups: dict[str, dict[str, str]] = {}
    for name, text in own.items():
        heading = view.own[name].owner.heading if name in view.own else FOR_SHELL if name in SHELLS_OWN[1:] else ""
        groups.setdefault(heading or "Commands", {})[name] = text
    toplevel = {name: command.summary for name, (_, command) in view.toplevel.items() if not command.hidden}
    services = {name: service.summary for name, service in view.services.items()}
    for file, problem in view.problems():
        if not file.services:
            services[file.path.name] = f"not loaded: {problem}"
    heading = f"{SEPARATOR}SManager\n{SEPARATOR}"
    sections = [
        f"Toplevel exposed commands:\n{_entries(toplevel)}{SEPARATOR}" if toplevel else "",
        f"Services:\n{_entries(services)}",
        *(f"{heading}:\n{_entries(entries)}" for heading, entries in groups.items()),
    ]
    return heading + "".join(sections) + "\n"


def summary(view: View) -> str:
    """`help -s`: the names alone, for programs."""
    toplevel = [name for name, (_, command) in view.toplevel.items() if not command.hidden]
    lines = [["TOP:", *toplevel], ["SERVICES:", *view.services], ["COMMANDS:", *_own_names(view)]]
    return "".join(" ".join(line) + "\n" for line in lines)


def service_help(service: Service, shown: Mapping[str, Command], columns: int = 0) -> str:
    """A service and its commands that the caller may run."""
    commands = {"help": "Print the help dialogue for this service"}
    commands |= {name: command.summary for name, command in shown.items() if not command.hidden}
    doc = f"{reflowed(service.doc, columns)}\n" if service.doc else ""
    heading = f"{SERVICE_SEPARATOR}{service.title}\n{doc}{SERVICE_SEPARATOR}"
    return heading + "".join(_entry(name, text) for name, text in commands.items()) + "\n"


def command_help(caption: str, command: Command, columns: int = 0) -> str:
    """One command: its usage, its docstring, and its parameters."""
    doc = f"\n{reflowed(command.doc, columns)}\n" if command.doc else ""
    others = [name for name in (command.name, *command.aliases) if name != caption.split()[-1]]
    doc += f"\nalso called: {', '.join(others)}\n" if others else ""
    told = {", ".join(given_as(parameter)): parameter_help(parameter) for parameter in command.parameters}
    width = max(map(len, told), default=0)
    lines = [f"  {name:<{width}}  {text}\n" for name, text in told.items() if text]
    parameters = "\n" + "".join(lines) if lines else ""
    return f"usage: {usage(caption, command.parameters)}\n{doc}{parameters}\n"


def parameter_help(parameter: Parameter) -> str:
    """A parameter's type, default and description; empty where its method states none."""
    if is_flag(parameter):
        return ": ".join(filter(None, ["flag", parameter.doc]))
    words = words_of(parameter)
    named = KIND_NAMES.get(parameter.kind, parameter.kind)
    if parameter.kind == "json":
        shape = wording(parameter.schema)
        named = f"JSON {shape}" if shape.startswith(("{", "[")) else shape
    kind = f"one of {', '.join(map(quoted, words))}" if words else named
    is_list = parameter.several and parameter.kind != "services"
    facts = [("list of " if is_list else "") + kind] if parameter.annotated else []
    if not parameter.required and parameter.default not in (None, "", []):
        facts.append(f"default {default_text(parameter)}")
    return ": ".join(filter(None, [", ".join(facts), parameter.doc]))


def default_text(parameter: Parameter) -> str:
    """A default as a caller would type it."""
    values = parameter.default if isinstance(parameter.default, list) else [parameter.default]
    return " ".join(_default_word(parameter.kind, value) for value in values)


def _default_word(kind: str, value: object) -> str:
    if isinstance(value, bool):
        return TRUE[0] if value else FALSE[0]
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if kind == "timedelta" and isinstance(value, int | float):  # a method may have a default of any type
        return f"{value:g}s"
    return str(value).lower() if kind == "member" else str(value)


def own_help(name: str, own: Mapping[str, OwnCommand], shell: object, columns: int = 0) -> str:
    """The page of one of the manager's own commands, or of the shell's."""
    return command_help(name, own[name].command, columns) if name in own else f"{_doc(shell, name)}\n"


def _own_names(view: View) -> list[str]:
    """The manager's own commands and the shell's, in the order of the help page."""
    first, *last = SHELLS_OWN
    return [first, *view.own, *last]


def _doc(shell: object, name: str) -> str:
    return inspect.getdoc(getattr(shell, f"do_{name}")) or ""


def _entries(summaries: Mapping[str, str]) -> str:
    return "".join("    " + _entry(name, text) for name, text in summaries.items())


def _entry(name: str, text: str) -> str:
    return f"{name}: {text}".rstrip() + "\n"
