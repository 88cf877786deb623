"""Imports a services file in its host, and describes the services in it."""

from __future__ import annotations

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

from smanager.commands.jsonable import jsonable
from smanager.commands.record import SHELLS_OWN, Command, CommandError, command_methods
from smanager.commands.signatures import command_with, signature_of
from smanager.config.service import CLASS_KEYS, PROGRAM_KEYS
from smanager.hosts.child.errors import LoadError, at_line, in_one_line, print_traceback
from smanager.service import SService


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Never uses a cached compilation: an edit within the same second that keeps the file's size has to count."""

    def path_stats(self, path: str) -> dict[str, Any]:
        raise OSError("compile it anew")


def load(path: Path) -> list[type[SService]]:
    """Import a file or package and return its services in the order of their definitions. Raises LoadError."""
    module = _import(path)
    # By their types: a proxy's `__class__`, which `isinstance` asks for, may raise.
    values = [value for value in vars(module).values() if issubclass(type(value), type)]
    classes = [value for value in values if issubclass(value, SService)]
    return [service for service in dict.fromkeys(classes) if _belongs_to(service, module)]


def _belongs_to(service: type[SService], module: ModuleType) -> bool:
    """Whether a class is a service of this module: neither imported from elsewhere, nor a base class."""
    is_own = f"{service.__module__}.".startswith(f"{module.__name__}.")
    return is_own and not service.__name__.startswith("_") and not inspect.isabstract(service)


def _import(path: Path) -> ModuleType:
    name = path.stem
    if name in sys.stdlib_module_names or name == "smanager":
        raise LoadError(f"a module named {name} already exists; rename the file")
    source = path / "__init__.py" if path.is_dir() else path
    sys.path.append(str(path.parent))  # last, so that the file's neighbors do not hide modules of the library
    loader = _SourceLoader(name, str(source))
    spec = importlib.util.spec_from_file_location(name, source, loader=loader)
    assert spec is not None  # None says that no loader was found
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException as error:
        print_traceback(error)
        raise load_error(error, path) from error
    return module


def load_error(error: BaseException, path: Path) -> LoadError:
    """What an import of the file or package `path` has raised, with the last of its own lines that took part."""
    places = [(entry.filename, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]
    message = in_one_line(error)
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
        message = f"{type(error).__name__}: {error.msg}"  # without the place, which its text ends with
    lines = [line for filename, line in places if Path(filename).is_relative_to(path)]
    return LoadError(at_line([0, *lines][-1] or 0, message))


def report(classes: Sequence[type[SService]]) -> dict[str, object]:
    """What the manager is told about a file's services."""
    services, problems = [], []
    for service in classes:
        try:
            description, complaints = described(service)
            services.append(description)
            problems += complaints
        except Exception as error:
            print_traceback(error)
            problems.append(at_line(line_of(service), f"{service.__name__}: {in_one_line(error)}"))
    return {"services": services, "problems": problems}


def described(service: type[SService]) -> tuple[dict[str, Any], list[str]]:
    """A service as data for the manager, and its problems, each with its line."""
    commands: list[Command] = []
    problems: list[str] = []

    def complain(method: str, problem: object) -> None:
        kept = inspect.getattr_static(service, method)
        problems.append(at_line(line_of(kept) or line_of(service), f"{method}: {problem}"))

    for method in command_methods(service):
        try:
            signature = signature_of(service, method)
            command = command_with(signature, service, method)
            if command.default and (other := next((known.name for known in commands if known.default), "")):
                complain(method, f"{other} is the default command already; at most one may be")
                command = command._replace(default=False)
            commands.append(command)
            for problem in signature.problems:
                complain(method, problem)
        except (CommandError, ValueError, TypeError) as error:
            complain(method, error)
        except Exception as error:  # of a descriptor
            print_traceback(error)
            complain(method, in_one_line(error))
    name = service.name or service.__name__.lower()
    if not isinstance(name, str):
        raise TypeError(f"its name is {name!r}, and should be text")
    is_program = any(base.__module__ == "smanager.hosts.child.program" for base in service.__mro__)
    description = {
        "name": name,
        "title": service.__name__,
        "doc": inspect.cleandoc(service.__dict__.get("__doc__") or ""),
        "line": line_of(service),
        "commands": [jsonable(command) for command in with_free_aliases(commands, complain)],
        "is_program": is_program,
        "given": given_by(service, is_program),
    }
    return description, problems


def with_free_aliases(commands: Sequence[Command], complain: Callable[[str, object], None]) -> list[Command]:
    """A service's commands, without the aliases that are names of something else."""
    taken = {*SHELLS_OWN, *(command.name for command in commands)}
    kept = []
    for command in commands:
        free = []
        for alias in command.aliases:
            if alias in taken:
                complain(command.method, f"its alias {alias} is the name of another command; choose another alias")
            else:
                free.append(alias)
                taken.add(alias)
        kept.append(command._replace(aliases=tuple(free)))
    return kept


def given_by(service: type[SService], is_program: bool) -> dict[str, Any]:
    """The settings among a class's attributes, but no methods and properties. Raises TypeError if they are not JSON."""
    keys = (*CLASS_KEYS, *PROGRAM_KEYS) if is_program else CLASS_KEYS
    bases = [base for base in reversed(service.__mro__) if not f"{base.__module__}.".startswith("smanager.")]
    values = {key: vars(base)[key] for base in bases for key in keys if key in vars(base)}
    given = {key: value for key, value in values.items() if not hasattr(value, "__get__")}
    json.dumps(given)
    return given


def line_of(thing: Any) -> int:
    """The line of a class's or function's definition; 0 if it is unknown."""
    try:
        return inspect.getsourcelines(thing.__func__ if isinstance(thing, staticmethod | classmethod) else thing)[1]
    except (OSError, TypeError, ValueError):  # ValueError: it wraps itself
        return 0
