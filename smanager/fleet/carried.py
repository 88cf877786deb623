"""What is carried from the hub to a new node or user: how to log in, and what the hub is known by."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from smanager.fleet.enrolled import HubRecord
from smanager.fleet.hub import HubError
from smanager.system.errors import in_words

SITE_PORT = 7422  # NATS' own default for leaf nodes

SITE = """
leafnodes {{
  remotes: [
    {{
      urls: {urls}
      nkey: "{seed}"
      {tls}  # relative paths start where the server is started
    }}
  ]
}}
"""


def files_of_node(name: str, record: HubRecord, seed: str, ca: str) -> dict[str, str]:
    """A directory that is to stand beside the node's configuration."""
    files = {f"{name}/seed.nk": f"{seed}\n", **({f"{name}/ca.pem": ca} if ca else {})}
    return {f"{name}/fleet.toml": node_table(name, record, bool(ca)), **files}


def node_table(name: str, record: HubRecord, has_ca: bool) -> str:
    """What to add to the node's configuration, whose last line may lack its end."""
    settings = {
        "servers": _value(list(record.servers)),
        "name": _value(name),
        "labels": _table(record.nodes[name].labels),
        "credentials": _value(f"{name}/seed.nk"),
        **({"ca": _value(f"{name}/ca.pem")} if has_ca else {}),
        "roles": _table({user: list(record.users[user].roles) for user in record.users}),
    }
    return f"\n[fleet]\n{_lines(settings)}"


def files_of_user(name: str, record: HubRecord, seed: str, ca: str) -> dict[str, str]:
    """What `tshell --fleet` takes, and the files that it names."""
    files = {f"{name}.nk": f"{seed}\n", **({f"{name}-ca.pem": ca} if ca else {})}
    settings = {
        "servers": _value(list(record.servers)),
        "user": _value(name),
        "credentials": _value(f"{name}.nk"),
        **({"ca": _value(f"{name}-ca.pem")} if ca else {}),
    }
    return {f"{name}.toml": _lines(settings), **files}


def files_of_site(name: str, record: HubRecord, seed: str, ca: str) -> dict[str, str]:
    """What to add to the configuration of the site's own hub, and a file that it names."""
    urls = [f"tls://{urlsplit(server).netloc.rpartition(':')[0]}:{SITE_PORT}" for server in record.servers]
    tls = f"tls {{ ca_file: {_value(f'hub/{name}-ca.pem')} }}" if ca else "tls {}"
    return {
        f"{name}.conf": SITE.format(urls=_value(urls), seed=seed, tls=tls),
        **({f"{name}-ca.pem": ca} if ca else {}),
    }


def write_new(files: Mapping[str, str], directory: Path) -> None:
    """Write files that only this process's user may read. Raises HubError, also if one is there already."""
    for name in files:
        path = directory / Path(name).parts[0]
        if os.path.lexists(path):
            raise HubError(f"{path} exists already; move it, or work in another directory")
    for name, text in files.items():
        path = directory / name
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
                file.write(text)
        except OSError as error:
            raise HubError(f"{path}: {in_words(error)}") from None


def role_entry(user: str, roles: tuple[str, ...]) -> str:
    """What `roles` in a node's `[fleet]` says of a user."""
    return f"{user} = {_value(list(roles))}"


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in settings.items())


def _table(entries: Mapping[str, object]) -> str:
    return f"{{ {', '.join(f'{key} = {_value(value)}' for key, value in entries.items())} }}" if entries else "{}"


def _value(value: object) -> str:
    """TOML's strings and lists are JSON's."""
    return json.dumps(value, ensure_ascii=False)
