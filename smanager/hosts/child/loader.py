"""Imports a services file in its host, and describes the services found in it."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from smanager.commands.record import SHELLS_OWN, Command, CommandError, command_methods
from smanager.commands.signatures import describe, signature_of
from smanager.config.service import CLASS_KEYS, PROGRAM_KEYS
from smanager.hosts.child.errors import LoadError, in_one_line, print_traceback
from smanager.service import SService

_OURS = ("smanager", "builtins")


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Never takes a cached compilation: an edit within the same second and of the same size has to count."""

    def path_stats(self, path: str) -> dict[str, Any]:
        raise OSError("compile it anew")


def load(path: Path) -> list[type[SService]]:
    """Import a services file or package and return its SService classes, in the order they are defined.

    Raises LoadError where it does not import.
    """
    module = _import(path)
    services = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, SService) and _belongs_to(value, module)
    ]
    return list(dict.fromkeys(services))


def _belongs_to(service: type[SService], module: ModuleType) -> bool:
    """A class that was only imported from elsewhere, or is marked as a base by its `_`, is no service here."""
    own = service.__module__ == module.__name__ or service.__module__.startswith(module.__name__ + ".")
    return own and not service.__name__.startswith("_") and not inspect.isabstract(service)


def _import(path: Path) -> ModuleType:
    name = path.stem
    if name in sys.stdlib_module_names or name == "smanager":
        raise LoadError(f"a module named {name} exists already; rename the file")
    source = path / "__init__.py" if path.is_dir() else path
    sys.path.append(str(path.parent))  # last, so that no file beside it hides a module of the library
    spec = importlib.util.spec_from_file_location(name, source, loader=_SourceLoader(name, str(source)))
    if spec is None or spec.loader is None:
        raise LoadError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        print_traceback(error)
        raise LoadError(f"{_place(error, path)}{_message(error)}") from error
    return module


def _place(error: BaseException, path: Path) -> str:
    """`line N: `, where the services file itself has the line that went wrong."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(path):
        return f"line {error.lineno}: "
    for entry in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(entry.filename).is_relative_to(path):
            return f"line {entry.lineno}: "
    return ""


def _message(error: BaseException) -> str:
    return f"{type(error).__name__}: {error.msg}" if isinstance(error, SyntaxError) else in_one_line(error)


def report(classes: Sequence[type[SService]]) -> dict[str, object]:
    """What the manager is told of a file's services."""
    services: list[object] = []
    problems: list[object] = []
    for service in classes:
        try:
            description, complaints = described(service)
            problems += complaints
            services.append(description)
        except Exception as error:
            print_traceback(error)
            problems.append(f"line {line_of(service)}: {service.__name__}: {in_one_line(error)}")
    return {"services": services, "problems": problems}


def described(service: type[SService]) -> tuple[dict[str, Any], list[str]]:
    """A service as data for the manager, and what is wrong with it, each with its line."""
    commands: list[Command] = []
    problems: list[str] = []

    def complain(method: str, problem: object) -> None:
        line = line_of(getattr(service, method)) or line_of(service)
        problems.append(f"line {line}: {method}: {problem}")

    for method in command_methods(service):
        try:
            commands.append(describe(service, method))
            for unknown in signature_of(service, method).unknown:
                complain(method, f"what its annotation {unknown!r} means is not known")
        except (CommandError, ValueError, TypeError) as error:
            complain(method, error)
    name = service.name or service.__name__.lower()
    if not isinstance(name, str):
        raise TypeError(f"its name is {name!r}, and should be text")
    is_program = any(base.__module__ == "smanager.hosts.child.program" for base in service.__mro__)
    description = {
        "name": name,
        "title": service.__name__,
        "doc": inspect.cleandoc(service.__dict__.get("__doc__") or ""),
        "line": line_of(service),
        "commands": [dataclasses.asdict(command) for command in with_free_aliases(commands, complain)],
        "is_program": is_program,
        "given": given_by(service, is_program),
    }
    return description, problems


def with_free_aliases(commands: Sequence[Command], complain: Callable[[str, object], None]) -> list[Command]:
    """A service's commands with those of their aliases that are nothing else's name."""
    taken = {*SHELLS_OWN, *(command.name for command in commands)}
    found = []
    for command in commands:
        free = []
        for alias in command.aliases:
            if alias in taken:
                complain(command.method, f"its alias {alias} is the name of another command; take something else")
            else:
                free.append(alias)
                taken.add(alias)
        found.append(dataclasses.replace(command, aliases=tuple(free)))
    return found


def given_by(service: type[SService], is_program: bool) -> dict[str, Any]:
    """The settings among a class's attributes; a method or a property that has the name of one is none."""
    keys = (*CLASS_KEYS, *PROGRAM_KEYS) if is_program else CLASS_KEYS
    bases = [base for base in reversed(service.__mro__) if base.__module__.partition(".")[0] not in _OURS]
    given = {key: vars(base)[key] for base in bases for key in keys if key in vars(base)}
    given = {key: value for key, value in given.items() if not hasattr(value, "__get__")}
    json.dumps(given)  # raises TypeError where the manager could not be told
    return given


def line_of(thing: Any) -> int:
    try:
        return inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return 0
