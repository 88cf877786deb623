"""The services' command reference as Markdown, from the records that everything else reads as well."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smanager.commands.arguments import Binding, given_as
from smanager.commands.record import Command
from smanager.shells.pages import parameter_help
from smanager.supervision.catalogue import Catalogue, Service


def markdown(catalogue: Catalogue) -> str:
    """A chapter for each service, a section for each command."""
    return "\n".join(["# Commands\n", *(_service(service) for service in catalogue.services.values())])


def _service(service: Service) -> str:
    listed = [command for command in service.commands.values() if not command.hidden]
    parts = [f"## {service.name}\n", *_doc(service.doc)]
    return "\n".join([*parts, *(_command(service, command) for command in listed)])


def _command(service: Service, command: Command) -> str:
    usages = [Binding(command).usage(f"{service.name} {command.name}")]
    if command.toplevel:
        usages.append(Binding(command).usage(command.name))
    lines = [f"### {service.name} {command.name}\n", "```text", *usages, "```\n"]
    lines += _doc(command.doc)
    lines += [f"Also called: {', '.join(f'`{alias}`' for alias in command.aliases)}\n"] if command.aliases else []
    lines += [*_parameters(command)]
    return "\n".join(lines)


def _doc(doc: str) -> Iterator[str]:
    """A docstring: what follows its summary as it is laid out, for it is plain text, and might be headings here."""
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
