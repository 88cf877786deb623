"""Which files can be trusted: those that nobody may write to but root and the user of this process.

The rule is that of sshd's StrictModes (sshd_config(5)), for a file and for all that leads to it: who may write to a
directory may put another file in the place of one that is there.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def why_untrusted(path: Path, owner: int = 0) -> str:
    """Why a file or directory cannot be trusted, and what would be right; empty if it can be, or does not exist.

    It may belong to the user id `owner` as well.
    """
    with suppress(OSError, RuntimeError):  # who reads it reports that
        given = path.resolve()
        for place in _leading_to(path.absolute()):
            if problem := _why_writable(place, owner, is_given=place == given):
                return problem
    return ""


def _leading_to(path: Path) -> Iterator[Path]:
    """A path, the directories above it, and the same for the targets of all links among them."""
    waiting, seen = [path], set()
    while waiting:
        path = waiting.pop()
        for place in (path, *path.parents):
            if place not in seen:
                seen.add(place)
                yield place
                if place.is_symlink():
                    waiting.append(place.parent / place.readlink())


def _why_writable(path: Path, owner: int, is_given: bool) -> str:
    """Why others may write to one place; `is_given` unless it only leads to what was asked about."""
    status = path.lstat()
    # A user who is not root may well run what another user, such as one for deployment, has installed.
    if os.geteuid() == 0 and status.st_uid not in (0, owner):
        return f"{path} belongs to {_user(status.st_uid)}, and should belong to root; `chown root {path}` fixes that"
    # In a directory with the sticky bit, such as /tmp, others can add files, but not replace those that are there.
    if stat.S_ISLNK(status.st_mode) or (status.st_mode & stat.S_ISVTX and not is_given):
        return ""
    by_others = status.st_mode & stat.S_IWOTH
    by_group = status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid)
    if not (by_others or by_group) or os.statvfs(path).f_flag & os.ST_RDONLY:  # as Kubernetes mounts a ConfigMap
        return ""
    who = "other users" if by_others else f"other users, in the group {_group(status.st_gid)},"
    classes = ("g" if by_group else "") + ("o" if by_others else "")
    return f"{who} may write to {path}; `chmod {classes}-w {path}` fixes that"


def _is_private(group: int, user: int) -> bool:
    """Whether a group is the user's private group, as many systems make one, with a umask of 002, for each user."""
    with suppress(KeyError):
        account, members = pwd.getpwuid(user), grp.getgrgid(group)
        is_own = account.pw_gid == group and members.gr_name == account.pw_name
        return is_own and {*members.gr_mem} <= {account.pw_name}
    return False


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user id {number}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
