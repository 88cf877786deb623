"""`smanager user` and `smanager token`: edit who may log in."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from smanager.access.roles import covers
from smanager.access.secrets import hash_password, hash_token, new_token
from smanager.access.users import Token, User, Users, UsersError, UsersFile, checked_name
from smanager.commands.option_parser import OptionParser
from smanager.commands.types import seconds_of
from smanager.logs.manager_log import write_all
from smanager.service import VIEW
from smanager.system.errors import in_words
from smanager.terminal.text import one_spelling

SHORTEST_PASSWORD = 8  # characters
LONGEST_SPAN_DAYS = 36500  # limit of a token's life: the calendar ends in the year 9999

VERBS = frozenset({"add", "list", "passwd", "remove", "revoke", "roles"})
"""Words that are not taken for names: who types `smanager token add list` has meant something else."""

Action = Callable[[UsersFile, argparse.Namespace], None]


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - a Path raises RuntimeError for the home of an unknown user


def run(arguments: Sequence[str], configured: Callable[[Path | None], tuple[Path, set[str]]]) -> int:
    """Carry out a command line that begins with `user` or `token`; returns the exit status.

    `configured` takes the path of a configuration, or None for the default one; it returns the path of the users' file
    and the names of the roles. Raises UsersError.
    """
    options = parser().parse_args(arguments)
    users_file, known_roles = configured(options.config)
    path = options.users_file or users_file
    is_new = not os.path.lexists(path)  # unlike Path.exists, raises nothing if the directory may not be read
    if unknown := {*map(one_spelling, getattr(options, "roles", None) or ())} - known_roles:
        say(f"unknown roles, which allow nothing until they are configured: {', '.join(sorted(unknown))}")
    try:
        owner_id = None if is_new or os.geteuid() != 0 else path.lstat().st_uid  # root leaves a file to its owner
        options.act(UsersFile(path, owner_id), options)
    except OSError as error:
        raise UsersError(f"{path}: {in_words(error)}") from None
    if is_new and os.path.lexists(path):
        owner = "root" if os.geteuid() == 0 else "you"
        say(f"{path} is new and belongs to {owner}; a manager that runs as another user cannot read it")
    return 0


def parser() -> OptionParser:
    files = OptionParser(add_help=False)
    files.add_argument("--config", type=_path, metavar="FILE", help="the configuration, which may name a users' file")
    files.add_argument("--users-file", type=_path, metavar="FILE", help="a users' file in place of the configured one")
    top = OptionParser(prog="smanager", description="Edit the users' file.")
    kinds = top.add_subparsers(required=True, metavar="user|token")
    _add_user_verbs(_verbs(kinds, files, "user", "Edit the users who may log in: roles, passwords and certificates."))
    _add_token_verbs(_verbs(kinds, files, "token", "Edit the tokens by which users' programs log in."))
    return top


Verbs = Callable[[str, Action, str], OptionParser]
"""Adds a verb, given its name, what it does, and a description."""


def _verbs(kinds: argparse._SubParsersAction[OptionParser], files: OptionParser, kind: str, about: str) -> Verbs:
    verbs = kinds.add_parser(kind, help=about, description=about).add_subparsers(required=True, metavar="VERB")

    def add_verb(name: str, act: Action, about: str) -> OptionParser:
        made = verbs.add_parser(name, help=about, description=about, parents=[files])
        made.set_defaults(act=act)
        return made

    return add_verb


def _add_user_verbs(verb: Verbs) -> None:
    adding = verb("add", add, "Add a user; the password is asked for, or read from stdin's first line.")
    adding.add_argument("name")
    adding.add_argument("--roles", type=_words, default=(VIEW,), help="separated by commas (default: view)")
    adding.add_argument("--no-password", action="store_true", help="for logins by token, certificate or unix socket")
    adding.add_argument(
        "--certificate",
        action="append",
        default=[],
        metavar="SUBJECT",
        help="CN or SAN of a certificate, such as email:anna@lab.org",
    )
    verb("passwd", change_password, "Change a user's password.").add_argument("name")
    changing = verb("roles", change_roles, "Replace a user's roles.")
    changing.add_argument("name")
    changing.add_argument("roles", type=_words, help="separated by commas")
    verb("remove", remove, "Remove a user with password, token and certificates.").add_argument("name")
    verb("list", show, "List the users.")


def _add_token_verbs(verb: Verbs) -> None:
    adding = verb("add", add_token, "Create a user's token, shown only once; it replaces the previous one.")
    adding.add_argument("name", help="the user; a new name adds a user")
    adding.add_argument(
        "--roles", type=_words, help="limit the token to these roles (default: all; view for a new user)"
    )
    adding.add_argument("--expires", type=_span, metavar="SPAN", help="days, such as 90, or 12h, 30d (default: never)")
    verb("list", show_tokens, "List the users who have a token.")
    verb("revoke", revoke_token, "Revoke a user's token.").add_argument("name")


def add(file: UsersFile, options: argparse.Namespace) -> None:
    name = new_name(options.name)
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
        users[options.name] = find(file, options.name)._replace(password=password)


def change_roles(file: UsersFile, options: argparse.Namespace) -> None:
    with file.changed() as users:
        users[options.name] = find(file, options.name)._replace(roles=options.roles)


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
            facts.append(f"token{only}{_end(user.token)}")
        facts += [f"certificate {subject}" for subject in user.certificates]
        lines.append(f"{user.name}\t{'; '.join(facts)}\n")
    _print(lines)


def show_tokens(file: UsersFile, options: argparse.Namespace) -> None:
    holders = [(user, user.token) for user in file.users().values() if user.token]
    roles = [user.roles if token.roles is None else token.roles for user, token in holders]
    _print(
        f"{user.name}\t{','.join(own) or 'no roles'}{_end(token)}\n"
        for (user, token), own in zip(holders, roles, strict=True)
    )


def _end(token: Token) -> str:
    """When a token expires, in words; empty if never."""
    if not token.expires:
        return ""
    end = datetime.fromtimestamp(token.expires, UTC).isoformat(timespec="minutes")
    return f" until {end}" + (" (expired)" if token.has_expired() else "")


def _print(lines: Iterable[str]) -> None:
    with suppress(BrokenPipeError):  # the reader has seen enough
        write_all(sys.stdout.fileno(), "".join(lines).encode())


def revoke_token(file: UsersFile, options: argparse.Namespace) -> None:
    with file.changed() as users:
        if not (user := find(file, options.name)).token:
            raise UsersError(f"{options.name} has no token; `smanager token list` shows who has one")
        users[options.name] = user._replace(token=None)


def add_token(file: UsersFile, options: argparse.Namespace) -> None:
    name = options.name
    token = new_token()
    expires = None if options.expires is None else time.time() + options.expires
    with file.changed() as users:
        if is_new := name not in users:
            require_unused(new_name(name), (), users)
        user = User(name, options.roles or (VIEW,)) if is_new else users[name]
        if more := [role for role in options.roles or () if not covers(user.roles, role)]:
            raise UsersError(f"{name} does not have the roles {', '.join(more)}; a token has only roles of its user")
        had_one = user.token is not None
        users[name] = user._replace(token=Token(hash_token(token), expires, None if is_new else options.roles))
    if is_new:
        say(f"added user {name}, with the roles {', '.join(user.roles)}")
    if had_one:
        say("the previous token is revoked")
    print(token)


def new_name(name: str) -> str:
    """The name, if a new user may have it. Raises UsersError."""
    if name in VERBS:
        raise UsersError(f"{name} is a verb of `smanager user` or `smanager token`; choose another name")
    return checked_name(name)


def find(file: UsersFile, name: str) -> User:
    """The user of this name. Raises UsersError."""
    users = file.users()
    if name not in users:
        raise UsersError(f"there is no user {name}; the users are: {', '.join(users) or 'none'}")
    return users[name]


def new_password(name: str) -> str:
    """A password, typed twice on a terminal, otherwise the first line of standard input. Raises UsersError."""
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


def say(note: str) -> None:
    """Print a note on standard error."""
    print(f"smanager: {note}", file=sys.stderr)


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _span(text: str) -> float:
    """The seconds of a span; a number alone is one of days."""
    try:
        seconds = seconds_of(text if text[-1:].isalpha() else f"{text}d")
        if 0 < seconds <= LONGEST_SPAN_DAYS * 24 * 3600:
            return seconds
        raise ValueError
    except ValueError:
        message = f"{text!r} should be a number of days such as 90, or 12h, 30d: at most {LONGEST_SPAN_DAYS} days"
        raise argparse.ArgumentTypeError(message) from None
