"""Users and groups of the system, by name or number."""

from __future__ import annotations

import grp
import pwd


def user_of(name: str) -> pwd.struct_passwd | int:
    """The user of a name, or else of the number that the name is; the number alone if no user has it.

    Raises LookupError for a name that no user has.
    """
    try:
        return pwd.getpwnam(name)
    except KeyError:
        if not is_number(name):
            raise LookupError(f"there is no user {name}; `getent passwd` lists the users") from None
    try:
        return pwd.getpwuid(int(name))
    except KeyError:
        return int(name)


def user_id(name: str) -> int:
    """The number of a user, given by name or number. Raises LookupError for a name that no user has."""
    user = user_of(name)
    return user if isinstance(user, int) else user.pw_uid


def group_id(name: str) -> int:
    """The number of a group, given by name or number. Raises LookupError for a name that no group has."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if is_number(name):
            return int(name)
        raise LookupError(f"there is no group {name}; `getent group` lists the groups") from None


def is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal()
