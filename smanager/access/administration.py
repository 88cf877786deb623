"""`smanager user` and `smanager token`: who may log in."""

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

LONGEST_SPAN = 36500 * 24 * 3600.0
"""Seconds after which a token expires at the latest, if it does: calendars end."""


def run(
    arguments: Sequence[str], users_file: Callable[[Path | None], Path], known_roles: Callable[[Path | None], set[str]]
) -> int:
    """Carry out a command line that begins with `user` or `token`; returns the exit status.

    `users_file` finds the file by the configuration that is named, if one is; `known_roles` are those that there are.
    Raises UsersError.
    """
    options = parser().parse_args(arguments)
    path = options.users_file or users_file(options.config)
    is_new = not os.path.lexists(path)  # which raises nothing where it may not look
    file = UsersFile(path, owner_of(path))
    unknown = set(getattr(options, "roles", None) or ()) - known_roles(options.config)
    if unknown:
        say(f"no role is called {', '.join(sorted(unknown))} yet")
    try:
        options.act(file, options)
    except OSError as error:
        raise UsersError(f"{path}: {in_words(error)}") from None
    if is_new and os.path.lexists(path):
        owner = "root" if os.geteuid() == 0 else "you"
        say(f"{path} is new, and belongs to {owner}; a manager that runs as another user cannot read it")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="smanager", description="Looks after the users' file.")
    kinds = top.add_subparsers(required=True)
    user = kinds.add_parser("user", help="users, their roles and passwords").add_subparsers(required=True)

    def command(name: str, act: Callable[[UsersFile, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        made = user.add_parser(name, help=text, description=text)
        made.set_defaults(act=act)
        return made

    adding = command("add", add, "Add a user, with a password that is asked for, or is the first line of stdin.")
    adding.add_argument("name")
    adding.add_argument("--roles", type=_words, default=(VIEW,), help="with commas between them (default: view)")
    adding.add_argument("--no-password", action="store_true", help="for who comes by token, certificate or socket")
    adding.add_argument(
        "--certificate", action="append", default=[], metavar="SUBJECT", help="a CN or SAN of a client's certificate"
    )
    command("passwd", change_password, "Change a user's password.").add_argument("name")
    changing = command("roles", change_roles, "Change a user's roles.")
    changing.add_argument("name")
    changing.add_argument("roles", type=_words, help="with commas between them")
    command("remove", remove, "Remove a user, with password and token.").add_argument("name")
    command("list", show, "List the users.")
    token = kinds.add_parser("token", help="make a token, which is shown once", description="Make a user's token.")
    token.set_defaults(act=make_token)
    token.add_argument("name", help="the user; one that is not there yet is added")
    token.add_argument("--roles", type=_words, help="fewer than the user's (default: the same; of a new user: view)")
    token.add_argument("--expires", type=_span, metavar="SPAN", help="such as 90d or 12h (default: never)")
    token.add_argument(
        "--revoke", action="store_true", help="make none, and have the one that there is no longer count"
    )
    for one in (*user.choices.values(), token):
        one.add_argument("--config", type=Path, metavar="FILE", help="the configuration, which may name the file")
        one.add_argument("--users-file", type=Path, metavar="FILE", help="the file itself")
    return top


def add(file: UsersFile, options: argparse.Namespace) -> None:
    name = checked_name(options.name)
    if name in file.users():
        raise UsersError(f"there is a user {name} already; `smanager user passwd` and `roles` change it")
    password = "" if options.no_password else hash_password(new_password(name))
    with file.changed() as users:
        if name in users:
            raise UsersError(f"somebody else has added a user {name} just now; nothing is changed")
        require_unused(name, options.certificate, users)
        users[name] = User(name, options.roles, password, certificates=tuple(options.certificate))


def require_unused(name: str, certificates: Sequence[str], users: Users) -> None:
    """Raise UsersError where somebody else comes by one of a new user's certificates, or by its name."""
    for other in users.values():
        if common := {*other.certificates, other.name} & {name, *certificates}:
            raise UsersError(f"the certificate {', '.join(sorted(common))} is {other.name}'s already")


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
    with suppress(BrokenPipeError):  # a reader that has seen enough
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
            raise UsersError(f"{name} has not the roles {', '.join(more)}, which a token cannot have then either")
        had_one = user.token is not None
        users[name] = replace(user, token=Token(hash_token(token), expires, None if is_new else options.roles))
    if is_new:
        say(f"{name} is a new user, with the roles {', '.join(user.roles)}")
    if had_one:
        say("the token before counts no longer")
    print(token)


def find(file: UsersFile, name: str) -> User:
    """A user that there is. Raises UsersError."""
    users = file.users()
    if name not in users:
        raise UsersError(f"no user is called {name}; there are: {', '.join(users) or 'none'}")
    return users[name]


def new_password(name: str) -> str:
    """A password, asked for twice on a terminal, or else the first line of standard input. Raises UsersError."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"password of {name}, {SHORTEST_PASSWORD} characters or more: ")
        if getpass.getpass("once more: ") != password:
            raise UsersError("these are two passwords; nothing is changed")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < SHORTEST_PASSWORD:
        raise UsersError(f"a password should have {SHORTEST_PASSWORD} characters or more; nothing is changed")
    return password


def owner_of(path: Path) -> int | None:
    """Whose the file is to be: root may look after that of a manager that runs as another user."""
    with suppress(OSError):
        if os.geteuid() == 0:
            return path.lstat().st_uid
    return None


def say(note: str) -> None:
    """Tell something besides the result."""
    print(f"smanager: {note}", file=sys.stderr)


def moment(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="minutes")


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _span(text: str) -> float:
    try:
        seconds = seconds_of(text)
        if 0 < seconds <= LONGEST_SPAN:
            return seconds
        raise ValueError("more than nothing, and at most 36500 days")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} should be {error}") from None
