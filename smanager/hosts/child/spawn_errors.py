"""Why a program cannot be started, in words: execve(2) gives a number for what a person would look for for long."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from smanager.config.checks import STRING_LIMIT
from smanager.system.errors import in_words

FIRST_LINE = 256  # bytes of a script that the kernel looks at (BINPRM_BUF_SIZE)


def why_not_started(error: OSError, words: Sequence[str], options: Mapping[str, Any]) -> str:
    """What is wrong with a command that Popen could not run with these options."""
    if error.filename is None:  # it was not for exec or chdir
        is_other = options and (options["user"] is not None or options["group"] is not None)
        return "only root may set user and group" if is_other and error.errno == errno.EPERM else in_words(error)
    if error.errno == errno.E2BIG:
        return too_long(words, options["env"])
    if options["cwd"] and error.filename == options["cwd"]:
        return f"the setting directory, {error.filename}: {in_words(error)}"
    if problem := script_problem(words[0], options):
        return problem
    path = path_of(words[0], options)
    if path is None:
        return f"there is no program {words[0]} in {options['env'].get('PATH', os.defpath)}"
    if error.errno == errno.ENOENT and exists(path):
        return f"{path} exists, but not what loads it; is it for another system?"
    if error.errno == errno.ENOEXEC:
        return f"{path} is neither a program for this machine nor a script that begins with a line such as #!/bin/sh"
    if error.errno == errno.EACCES and exists(path) and not os.access(path, os.X_OK):
        return f"{path} is not executable; `chmod +x {path}` makes it so"
    return f"{error.filename or path}: {in_words(error)}"


def script_problem(program: str, options: Mapping[str, Any]) -> str:
    """What is wrong with the first line of a script, which names its interpreter; empty if nothing is."""
    path = path_of(program, options)
    line = b""
    with suppress(OSError):
        if path and path.is_file():  # a pipe would never end
            with path.open("rb") as file:
                line = file.read(FIRST_LINE).partition(b"\n")[0]
    if not line.startswith(b"#!"):
        return ""
    named = os.fsdecode(line[2:]).split(None, 1)
    if line.endswith(b"\r"):
        return (
            f"the first line of {path} ends in CR LF, and should end in LF: {os.fsdecode(line)!r} names no interpreter"
        )
    if not named:
        return f"the first line of {path} should name an interpreter, such as #!/bin/sh"
    interpreter = Path(options["cwd"] or "", named[0])
    if not exists(interpreter):
        return f"the interpreter of {path}, {named[0]}, does not exist"
    if not os.access(interpreter, os.X_OK):
        return f"the interpreter of {path}, {named[0]}, is not executable"
    command = next((word for word in " ".join(named[1:]).split() if word[0] != "-" and "=" not in word), "")
    if interpreter.name == "env" and command and path_of(command, options) is None:
        return f"the interpreter of {path}, {command}, is not in {options['env'].get('PATH', os.defpath)}"
    return ""


def exists(path: Path) -> bool:
    return os.access(path, os.F_OK)  # unlike Path.exists, raises nothing for a directory that may not be searched


def path_of(program: str, options: Mapping[str, Any]) -> Path | None:
    """Where Popen finds a program; None if it is not in the PATH."""
    if "/" in program:
        return Path(options["cwd"] or "", program)
    import shutil  # here, because it imports libraries that a host of healthy programs does not need

    found = shutil.which(program, path=options["env"].get("PATH"))
    return Path(found) if found else None


def too_long(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Why the kernel finds a program's arguments and environment too long (execve(2), "Limits on size")."""
    arguments = {f"argument {number}": len(os.fsencode(word)) + 1 for number, word in enumerate(words)}
    variables = {name: len(os.fsencode(name + value)) + 2 for name, value in environment.items()}
    name, size = max([*arguments.items(), *variables.items()], key=lambda item: item[1])
    return (
        f"its arguments have {sum(arguments.values())} bytes and its environment {sum(variables.values())}, of which "
        f"{name} has {size}; the system takes some {os.sysconf('SC_ARG_MAX')} in all, and {STRING_LIMIT} for each"
    )
