"""The command reference as Markdown, from the records that everything else reads as well."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from smanager.commands.arguments import Binding, given_as
from smanager.commands.record import Command
from smanager.shells.pages import parameter_help
from smanager.supervision.catalogue import Catalogue, Service


def markdown(own: Iterable[Command], catalogue: Catalogue) -> str:
    """A chapter for the manager with its `own` commands, and one for each service."""
    chapter = "## The manager\n\nThe commands `help`, `exit` and `quit` are the shell's own.\n"
    services = map(_service, catalogue.services.values())
    return "\n".join(["# Commands\n", chapter, *(_command("", command) for command in own), *services])


def _service(service: Service) -> str:
    listed = [command for command in service.commands.values() if not command.hidden]
    parts = [f"## {service.name}\n", *_doc(service.doc)]
    return "\n".join([*parts, *(_command(f"{service.name} ", command) for command in listed)])


def _command(before: str, command: Command) -> str:
    """A command's section; `before` stands before the command's name."""
    usages = [Binding(command).usage(before + command.name)]
    if command.toplevel:
        usages.append(Binding(command).usage(command.name))
    lines = [f"### {before}{command.name}\n", "```text", *usages, "```\n"]
    lines += _doc(command.doc)
    lines += [f"Also called: {', '.join(f'`{alias}`' for alias in command.aliases)}\n"] if command.aliases else []
    lines += [*_parameters(command)]
    return "\n".join(lines)


def _doc(doc: str) -> Iterator[str]:
    """A docstring: its summary, then the rest as laid out, since plain text might read as headings here."""
    summary, _, rest = doc.partition("\n")
    if summary:
        yield f"{summary}\n"
    if rest := rest.strip("\n"):
        fence = max(["```", *(found + "`" for found in re.findall("`{3,}", rest))], key=len)
        yield f"{fence}text\n{rest}\n{fence}\n"


def _parameters(command: Command) -> Iterator[str]:
    for parameter in command.parameters:
        if text := parameter_help(parameter):
            yield f"- {', '.join(f'`{name}`' for name in given_as(parameter))}: {text}"
    if any(map(parameter_help, command.parameters)):
        yield ""
