"""What a hub's NATS server is told: `nats.conf`, made whole from what `fleet.json` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smanager.fleet.enrolled import HubRecord
from smanager.fleet.subjects import permissions_of_node, permissions_of_site, permissions_of_user

EXTRA = "extra.conf"
PID_FILE = "nats.pid"

HEAD = f"""\
# Do not edit: `smanager fleet` writes this file whole, from fleet.json. Lines of your own belong in {EXTRA}.
"""
EXTRA_HEAD = """\
# Yours: nats.conf includes this file, and `smanager fleet reload` has a running hub read it.
"""

LARGEST_MESSAGE = 1024 * 1024  # bytes, NATS' own default: replies come in shorter pieces
WRITE_SECONDS = 10  # for a receiver to take what waits for it, before it is given up
TLS_SECONDS, LOGIN_SECONDS = 4, 5  # from connecting; the members themselves give up after 5


def nats_settings(record: HubRecord, directory: Path, probe: str) -> str:
    """The text of nats.conf. Its paths are absolute: those that are not start where the server is started.

    The public key `probe` may log in, and do nothing: by that the server shows that it has read this very text.
    It is there without any member, too, for a NATS server without users lets everyone in.
    """
    settings = {
        "listen": record.listen,
        "pid_file": str(directory / PID_FILE),
        "max_payload": LARGEST_MESSAGE,
        "write_deadline": f"{WRITE_SECONDS}s",
        "tls": {
            "cert_file": str(directory / record.certificate),
            "key_file": str(directory / record.private_key),
            "timeout": TLS_SECONDS,
        },
    }
    lines = [f"{key}: {_value(value)}" for key, value in settings.items()]
    users = [f"    {_value({'nkey': key, 'permissions': permissions})}" for key, permissions in _logins(record, probe)]
    logins = ["authorization: {", f"  timeout: {LOGIN_SECONDS}", "  users: [", *users, "  ]", "}"]
    return HEAD + "\n".join([*lines, *logins, f'include "{EXTRA}"', ""])


def _logins(record: HubRecord, probe: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each public key that may log in, and what it may do then."""
    yield probe, {"publish": {"deny": ">"}, "subscribe": {"deny": ">"}}
    for name, user in record.users.items():
        yield user.key, permissions_of_user(name)
    for name, node in record.nodes.items():
        yield node.key, permissions_of_node(name, node.labels.items())
    for site in record.sites.values():
        yield site.key, permissions_of_site(record.users)


def _value(value: object) -> str:
    """NATS reads JSON, but no \\u in it."""
    return json.dumps(value, ensure_ascii=False)
