"""Who belongs to a fleet: what `fleet.json` in a hub's directory says, from which all else there is made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from smanager.fleet.hub import server_of
from smanager.fleet.subjects import NAME_EXAMPLE, is_name

PUBLIC_KEY = re.compile(r"U[A-Z2-7]{55}")  # of an nkey that is a user's, for NATS: nodes are such users, too
LISTEN = re.compile(r"(?:[0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
LISTEN_EXAMPLE = "an address and a port such as 0.0.0.0:4222"

USER_EXAMPLE = '{"key": "U…", "roles": ["operate"]}, with the public key of an nkey'
NODE_EXAMPLE = '{"key": "U…", "labels": {"site": "lab3"}}, with the public key of an nkey'
SITE_EXAMPLE = '{"key": "U…"}, with the public key of an nkey'
RECORD_EXAMPLE = "an object with listen, servers, certificate, private_key, ca, users, nodes and sites"


Member = TypeVar("Member")


class EnrolledUser(NamedTuple):
    """Somebody who may ask nodes."""

    key: str
    roles: tuple[str, ...]  # for the nodes, which decide by their own configuration


class EnrolledNode(NamedTuple):
    """A box that may answer."""

    key: str
    labels: Mapping[str, str]


class EnrolledSite(NamedTuple):
    """A hub elsewhere, whose nodes answer here by way of that."""

    key: str


class HubRecord(NamedTuple):
    """A hub and its fleet."""

    listen: str
    servers: tuple[str, ...]
    certificate: str  # files; relative paths start at the hub's directory
    private_key: str
    ca: str  # empty for a certificate that the members' systems trust
    users: Mapping[str, EnrolledUser]
    nodes: Mapping[str, EnrolledNode]
    sites: Mapping[str, EnrolledSite]

    def holds(self, name: str) -> bool:
        """Whether a member has this name: it is that of one only, of whatever kind."""
        return any(name in members for members in (self.users, self.nodes, self.sites))

    def without(self, name: str) -> HubRecord:
        return self._replace(
            users=_others(name, self.users), nodes=_others(name, self.nodes), sites=_others(name, self.sites)
        )


def encode_record(record: HubRecord) -> str:
    fields = record._asdict()
    for kind in ("users", "nodes", "sites"):
        fields[kind] = {name: member._asdict() for name, member in fields[kind].items()}
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def decode_record(text: str) -> HubRecord:
    """Raises ValueError."""
    match json.loads(text):
        case {
            "listen": listen, "servers": [_, *_] as servers, "certificate": str(certificate), "private_key": str(key),
            "ca": str(ca), "users": dict(users), "nodes": dict(nodes), "sites": dict(sites),
        }:  # fmt: skip
            addresses = tuple(map(server_of, servers))
            return HubRecord(
                listen_address(listen), addresses, certificate, key, ca,
                users=_members("users", users, _user, USER_EXAMPLE),
                nodes=_members("nodes", nodes, _node, NODE_EXAMPLE),
                sites=_members("sites", sites, _site, SITE_EXAMPLE),
            )  # fmt: skip
    raise ValueError(f"it should hold {RECORD_EXAMPLE}")


def _others(name: str, members: Mapping[str, Member]) -> dict[str, Member]:
    return {other: members[other] for other in members if other != name}


def listen_address(text: object) -> str:
    """Raises ValueError."""
    if isinstance(text, str) and LISTEN.fullmatch(text) and 0 < int(text.rpartition(":")[2]) <= 0xFFFF:
        return text
    raise ValueError(f"listen is {text!r}, and should be {LISTEN_EXAMPLE}")


def _members(kind: str, given: dict[str, Any], read: Callable[[Any], Member | None], example: str) -> dict[str, Member]:
    members = {}
    for name, fields in given.items():
        if not is_name(name):
            raise ValueError(f"{kind} has the name {name!r}, which should be {NAME_EXAMPLE}")
        if (member := read(fields)) is None:
            raise ValueError(f"{kind}.{name} should be {example}")
        members[name] = member
    return members


def _user(fields: Any) -> EnrolledUser | None:
    match fields:
        case {"key": str(key), "roles": [*roles]} if PUBLIC_KEY.fullmatch(key):
            return EnrolledUser(key, tuple(roles)) if all(isinstance(role, str) for role in roles) else None
    return None


def _node(fields: Any) -> EnrolledNode | None:
    match fields:
        case {"key": str(key), "labels": dict(labels)} if PUBLIC_KEY.fullmatch(key):
            return EnrolledNode(key, labels) if all(is_name(part) for pair in labels.items() for part in pair) else None
    return None


def _site(fields: Any) -> EnrolledSite | None:
    match fields:
        case {"key": str(key)} if PUBLIC_KEY.fullmatch(key):
            return EnrolledSite(key)
    return None
