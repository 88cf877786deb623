"""The command reference as Markdown, from the records that everything else reads as well."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from smanager.commands.record import Command
from smanager.commands.words import given_as, usage
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
    captions = [before + command.name, *([command.name] if command.toplevel else [])]
    usages = [usage(caption, command.parameters) for caption in captions]
    lines = [f"### {before}{command.name}\n", "```text", *usages, "```\n"]
    lines += _doc(command.doc)
    lines += [f"Also called: {', '.join(f'`{alias}`' for alias in command.aliases)}\n"] if command.aliases else []
    told = [(given_as(parameter), parameter_help(parameter)) for parameter in command.parameters]
    items = [f"- {', '.join(f'`{name}`' for name in names)}: {text}" for names, text in told if text]
    return "\n".join([*lines, *items, ""] if items else lines)


def _doc(doc: str) -> Iterator[str]:
    """A docstring: its summary, then the rest as laid out, since plain text might read as headings here."""
    summary, _, rest = doc.partition("\n")
    if summary:
        yield f"{summary}\n"
    if rest := rest.strip("\n"):
        fence = max(["```", *(run + "`" for run in re.findall("`{3,}", rest))], key=len)
        yield f"{fence}text\n{rest}\n{fence}\n"
