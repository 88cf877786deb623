"""`smanager user` and `smanager token`: edit who may log in."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from smanager.access.roles import covers
from smanager.access.secrets import hash_password, hash_token, new_token
from smanager.access.users import Token, User, Users, UsersError, UsersFile, checked_name
from smanager.commands.types import seconds_of
from smanager.logs.manager_log import write_all
from smanager.service import VIEW
from smanager.system.errors import in_words

SHORTEST_PASSWORD = 8
"""Characters."""

LONGEST_SPAN_DAYS = 36500
"""How long a token that expires may be valid: the calendar ends in the year 9999."""


def run(
    arguments: Sequence[str], users_file: Callable[[Path | None], Path], known_roles: Callable[[Path | None], set[str]]
) -> int:
    """Carry out a command line that begins with `user` or `token`; returns the exit status.

    `users_file` and `known_roles` take the path of a configuration, or None for the default one; they return the path
    of its users' file and the names of its roles. Raises UsersError.
    """
    options = parser().parse_args(arguments)
    path = options.users_file or users_file(options.config)
    is_new = not os.path.lexists(path)  # unlike Path.exists, raises nothing if the directory may not be read
    file = UsersFile(path, owner_of(path))
    unknown = set(getattr(options, "roles", None) or ()) - known_roles(options.config)
    if unknown:
        say(f"unknown roles, which allow nothing until they are configured: {', '.join(sorted(unknown))}")
    try:
        options.act(file, options)
    except OSError as error:
        raise UsersError(f"{path}: {in_words(error)}") from None
    if is_new and os.path.lexists(path):
        owner = "root" if os.geteuid() == 0 else "you"
        say(f"{path} is new and belongs to {owner}; a manager that runs as another user cannot read it")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="smanager", description="Edit the users' file.")
    kinds = top.add_subparsers(required=True)
    user = kinds.add_parser("user", help="users, their roles and passwords").add_subparsers(required=True)

    def command(name: str, act: Callable[[UsersFile, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        made = user.add_parser(name, help=text, description=text)
        made.set_defaults(act=act)
        return made

    adding = command("add", add, "Add a user; the password is asked for, or read from stdin's first line.")
    adding.add_argument("name")
    adding.add_argument("--roles", type=_words, default=(VIEW,), help="separated by commas (default: view)")
    adding.add_argument(
        "--no-password", action="store_true", help="for a user who logs in by token, certificate or unix socket"
    )
    adding.add_argument(
        "--certificate", action="append", default=[], metavar="SUBJECT", help="a CN or SAN of a client certificate"
    )
    command("passwd", change_password, "Change a user's password.").add_argument("name")
    changing = command("roles", change_roles, "Change a user's roles.")
    changing.add_argument("name")
    changing.add_argument("roles", type=_words, help="separated by commas")
    command("remove", remove, "Remove a user, including password and token.").add_argument("name")
    command("list", show, "List the users.")
    token = kinds.add_parser(
        "token", help="create a token, shown once", description="Create a user's token, shown once."
    )
    token.set_defaults(act=make_token)
    token.add_argument("name", help="the user; a new one is added")
    token.add_argument(
        "--roles", type=_words, help="only these of the user's roles (default: all; a new user has view)"
    )
    token.add_argument("--expires", type=_span, metavar="SPAN", help="such as 90d or 12h (default: never)")
    token.add_argument("--revoke", action="store_true", help="revoke the user's token, and create none")
    for one in (*user.choices.values(), token):
        one.add_argument(
            "--config", type=Path, metavar="FILE", help="the configuration, which may name the users' file"
        )
        one.add_argument("--users-file", type=Path, metavar="FILE", help="the users' file itself")
    return top


def add(file: UsersFile, options: argparse.Namespace) -> None:
    name = checked_name(options.name)
    if name in file.users():
        raise UsersError(f"user {name} already exists; `smanager user passwd` and `smanager user roles` change it")
    password = "" if options.no_password else hash_password(new_password(name))
    with file.changed() as users:
        if name in users:
            raise UsersError(f"another process has just added a user {name}; nothing is changed")
        require_unused(name, options.certificate, users)
        users[name] = User(name, options.roles, password, certificates=tuple(options.certificate))


def require_unused(name: str, certificates: Sequence[str], users: Users) -> None:
    """Raise UsersError if another user already logs in by a new user's name or certificates."""
    for other in users.values():
        if common := {*other.certificates, other.name} & {name, *certificates}:
            raise UsersError(f"the certificate {', '.join(sorted(common))} already belongs to {other.name}")


def change_password(file: UsersFile, options: argparse.Namespace) -> None:
    find(file, options.name)
    password = hash_password(new_password(options.name))
    with file.changed() as users:
        users[options.name] = replace(find(file, options.name), password=password)


def change_roles(file: UsersFile, options: argparse.Namespace) -> None:
    with file.changed() as users:
        users[options.name] = replace(find(file, options.name), roles=options.roles)


def remove(file: UsersFile, options: argparse.Namespace) -> None:
    with file.changed() as users:
        find(file, options.name)
        del users[options.name]


def show(file: UsersFile, options: argparse.Namespace) -> None:
    lines = []
    for user in file.users().values():
        facts = [",".join(user.roles) or "no roles", "password" if user.password else "no password"]
        if user.token:
            only = f" for {','.join(user.token.roles)}" if user.token.roles is not None else ""
            facts.append(f"token{only}" + (f" until {moment(user.token.expires)}" if user.token.expires else ""))
        facts += [f"certificate {subject}" for subject in user.certificates]
        lines.append(f"{user.name}\t{'; '.join(facts)}\n")
    with suppress(BrokenPipeError):  # the reader has seen enough
        write_all(sys.stdout.fileno(), "".join(lines).encode())


def make_token(file: UsersFile, options: argparse.Namespace) -> None:
    name = checked_name(options.name)
    if options.revoke:
        with file.changed() as users:
            users[name] = replace(find(file, name), token=None)
        return
    token = new_token()
    expires = None if options.expires is None else time.time() + options.expires
    with file.changed() as users:
        if is_new := name not in users:
            require_unused(name, (), users)
        user = User(name, options.roles or (VIEW,)) if is_new else users[name]
        if more := [role for role in options.roles or () if not covers(user.roles, role)]:
            raise UsersError(f"{name} does not have the roles {', '.join(more)}; a token has only roles of its user")
        had_one = user.token is not None
        users[name] = replace(user, token=Token(hash_token(token), expires, None if is_new else options.roles))
    if is_new:
        say(f"added user {name}, with the roles {', '.join(user.roles)}")
    if had_one:
        say("the previous token is revoked")
    print(token)


def find(file: UsersFile, name: str) -> User:
    """The user of this name. Raises UsersError."""
    users = file.users()
    if name not in users:
        raise UsersError(f"there is no user {name}; the users are: {', '.join(users) or 'none'}")
    return users[name]


def new_password(name: str) -> str:
    """A password: asked for twice on a terminal, otherwise the first line of standard input. Raises UsersError."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"password of {name}, at least {SHORTEST_PASSWORD} characters: ")
        if getpass.getpass("repeat the password: ") != password:
            raise UsersError("passwords do not match; nothing is changed")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < SHORTEST_PASSWORD:
        problem = f"has {len(password)} characters, and should have at least {SHORTEST_PASSWORD}"
        raise UsersError(f"the password {problem}; nothing is changed")
    return password


def owner_of(path: Path) -> int | None:
    """The user id that the file should belong to: root keeps the owner of an existing file. None: this process's."""
    with suppress(OSError):
        if os.geteuid() == 0:
            return path.lstat().st_uid
    return None


def say(note: str) -> None:
    """Print a note on standard error."""
    print(f"smanager: {note}", file=sys.stderr)


def moment(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="minutes")


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _span(text: str) -> float:
    try:
        seconds = seconds_of(text)
        if 0 < seconds <= LONGEST_SPAN_DAYS * 24 * 3600:
            return seconds
        raise ValueError(f"more than 0 s, and at most {LONGEST_SPAN_DAYS} days")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} should be {error}") from None
