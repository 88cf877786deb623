"""The pages that shells print, to the letter as the first users of SManager know them."""

from __future__ import annotations

from collections.abc import Mapping

from smanager.commands.arguments import Binding, given_as, is_flag, words_of
from smanager.commands.record import Command, Parameter
from smanager.commands.types import FALSE, TRUE
from smanager.shells.view import View
from smanager.supervision.catalogue import Service

WIDTH = 50
SERVICE_WIDTH = 40

STARS = "*" * WIDTH + "\n"
SEPARATOR = "-" * WIDTH + "\n"
SERVICE_SEPARATOR = "-" * SERVICE_WIDTH + "\n"


def banner(view: View) -> str:
    """What a person reads on connecting."""
    services = "".join(f"-{name}\n" for name in view.services)
    return f"{STARS}Service Manager\n{STARS}Available Services:\n{services}{SEPARATOR}"


def root_help(view: View, built_ins: Mapping[str, str]) -> str:
    """All that can be called from the root; `built_ins` has the summaries of the manager's own commands."""
    toplevel = {name: command.summary for name, (_, command) in view.toplevel.items() if not command.hidden}
    services = {name: service.summary for name, service in view.services.items()}
    for file, problem in view.problems():
        if not file.services:
            services[file.path.name] = f"not loaded: {problem}"
    heading = f"{SEPARATOR}SManager\n{SEPARATOR}"
    sections = [
        f"Toplevel exposed commands:\n{_entries(toplevel)}{SEPARATOR}" if toplevel else "",
        f"Services:\n{_entries(services)}",
        f"Commands:\n{_entries(built_ins)}",
    ]
    return heading + "".join(sections) + "\n"


def summary(view: View) -> str:
    """`help -s`: the names alone, for a program."""
    toplevel = [name for name, (_, command) in view.toplevel.items() if not command.hidden]
    lines = [["TOP:", *toplevel], ["SERVICES:", *view.services], ["COMMANDS:", *view.built_ins]]
    return "".join(" ".join(line) + "\n" for line in lines)


def service_help(service: Service, shown: Mapping[str, Command]) -> str:
    """A service and those of its commands that are shown."""
    commands = {"help": "Print the help dialogue for this service"}
    commands |= {name: command.summary for name, command in shown.items() if not command.hidden}
    doc = f"{service.doc}\n" if service.doc else ""
    heading = f"{SERVICE_SEPARATOR}{service.title}\n{doc}{SERVICE_SEPARATOR}"
    return heading + "".join(_entry(name, text) for name, text in commands.items()) + "\n"


def command_help(caption: str, command: Command) -> str:
    """One command: how it is typed, its docstring, and what is known of its parameters."""
    doc = f"\n{command.doc}\n" if command.doc else ""
    others = [name for name in (command.name, *command.aliases) if name != caption.split()[-1]]
    doc += f"\nalso called: {', '.join(others)}\n" if others else ""
    told = {", ".join(given_as(parameter)): parameter_help(parameter) for parameter in command.parameters}
    width = max(map(len, told), default=0)
    lines = [f"  {name:<{width}}  {text}\n" for name, text in told.items() if text]
    parameters = "\n" + "".join(lines) if lines else ""
    return f"usage: {Binding(command).usage(caption)}\n{doc}{parameters}\n"


def parameter_help(parameter: Parameter) -> str:
    """A parameter's type, its default, and what its method says of it; empty where nothing is known."""
    if is_flag(parameter):
        return ": ".join(filter(None, ["flag", parameter.doc]))
    words = words_of(parameter)
    kind = ("one of " if words else "") + (", ".join(words) or parameter.kind.replace("timedelta", "time span"))
    facts = [("list of " if parameter.several else "") + kind] if parameter.annotated else []
    if not parameter.required and parameter.default not in (None, "", []):
        facts.append(f"default {default_text(parameter)}")
    return ": ".join(filter(None, [", ".join(facts), parameter.doc]))


def default_text(parameter: Parameter) -> str:
    """A default as somebody would type it."""
    values = parameter.default if isinstance(parameter.default, list) else [parameter.default]
    return " ".join(_default_word(parameter.kind, value) for value in values)


def _default_word(kind: str, value: object) -> str:
    if isinstance(value, bool):
        return TRUE[0] if value else FALSE[0]
    if kind == "timedelta" and isinstance(value, int | float):  # a method may have any default
        return f"{value:g}s"
    return str(value).lower() if kind == "member" else str(value)


def services(view: View) -> str:
    """The services and how they are, one to a line; then what is wrong with their files."""
    width = max(map(len, view.services), default=0)
    lines = [f"{name:<{width}}  {condition}\n" for name, condition in view.conditions().items()]
    lines += [f"{file.path}: {problem}\n" for file, problem in view.problems()]
    return "".join(lines)


def services_facts(view: View) -> dict[str, object]:
    """The same for programs."""
    return {
        "services": view.conditions(),
        "problems": [f"{file.path}: {problem}" for file, problem in view.problems()],
    }


def _entries(summaries: Mapping[str, str]) -> str:
    return "".join("    " + _entry(name, text) for name, text in summaries.items())


def _entry(name: str, text: str) -> str:
    return f"{name}: {text}".rstrip() + "\n"
