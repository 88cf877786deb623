"""A user of a hub: the file that says where the hub is and who logs in there, as `smanager fleet add-user` makes it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from smanager.fleet.hub import SERVER_EXAMPLE, HubAccess, HubError, server_of
from smanager.fleet.subjects import NAME_EXAMPLE, is_name
from smanager.system.errors import in_words

KEYS = ("servers", "user", "credentials", "ca", "insecure")


class HubUser(NamedTuple):
    """Somebody who may ask nodes through a hub."""

    name: str
    access: HubAccess


def hub_user(file: str) -> HubUser:
    """Read such a file; a name without a slash or dot is one in `~/.config/smanager`. Raises HubError."""
    path = Path(file)
    if path.name == file and not path.suffix:
        path = Path("~/.config/smanager", f"{file}.toml")
    try:
        path = path.expanduser()
        given = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        return _user_of(given, path.absolute().parent)
    except OSError as error:
        problem = f"{in_words(error)}; it should be a file that `smanager fleet add-user` has made"
    except (ValueError, RuntimeError) as error:  # tomllib's, the decoder's, and of a ~ without a home directory
        problem = str(error)
    raise HubError(f"{path}: {problem}")


def _user_of(given: dict[str, Any], base: Path) -> HubUser:
    """Raises ValueError."""
    for key in given:
        if key not in KEYS:
            raise ValueError(f"there is no setting {key!r}; there are: {', '.join(KEYS)}")
    name, servers = given.get("user"), given.get("servers")
    if not is_name(name):
        raise ValueError(f"user is {name!r}, and should be {NAME_EXAMPLE}")
    if not isinstance(servers, list) or not servers:
        raise ValueError(f"servers is {servers!r}, and should be a list with {SERVER_EXAMPLE}")
    credentials, ca = (_path(given, key, base) for key in ("credentials", "ca"))
    if not isinstance(insecure := given.get("insecure", False), bool):
        raise ValueError(f"insecure is {insecure!r}, and should be true or false")
    return HubUser(str(name), HubAccess(tuple(_server(one) for one in servers), credentials, ca, insecure))


def _server(given: object) -> str:
    """Raises ValueError."""
    try:
        return server_of(given)
    except ValueError as error:
        raise ValueError(f"servers has {given!r}, and should have {error}") from None


def _path(given: dict[str, Any], key: str, base: Path) -> Path | None:
    value = given.get(key)
    if value is not None and (not isinstance(value, str) or not value or "\0" in value):
        raise ValueError(f"{key} is {value!r}, and should be a path")
    return base / Path(value).expanduser() if value else None
