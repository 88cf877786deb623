"""The subjects of a fleet's messages, by which the hub decides who may say what to whom.

A NATS server does not tell receivers who has published. So a request's subject names its user, and a reply's names its
node, and the hub lets each of them publish only under its own name (https://docs.nats.io, "Authorization").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ALL, NODE, LABEL = "all", "node", "label"

LONGEST = 64  # characters of a name
NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST}}}")
"""What users, nodes, labels and their values may be called: one token of a subject, without wildcards."""
NAME_EXAMPLE = f"at most {LONGEST} letters, digits, - and _"

SERVICE = "smanager"
"""What nodes are called where NATS' own tools list services (`nats micro ls`)."""

DISCOVERY = f"$SRV.PING.{SERVICE}"
ASKED_ABOUT = tuple(f"$SRV.{verb}{rest}" for verb in ("PING", "INFO", "STATS") for rest in ("", f".{SERVICE}"))
"""The subjects at which each node tells of itself (NATS ADR-32)."""

ANSWER_SECONDS = 60  # in which a node may answer such a question, as its hub allows


def is_name(text: object) -> bool:
    return isinstance(text, str) and NAME.fullmatch(text) is not None


def to_node(user: str, node: str) -> str:
    """Where one node hears this user."""
    return f"smanager.{user}.{NODE}.{node}"


def to_all(user: str) -> str:
    return f"smanager.{user}.{ALL}"


def to_label(user: str, key: str, value: str) -> str:
    return f"smanager.{user}.{LABEL}.{key}.{value}"


def heard_by(node: str, labels: Mapping[str, str]) -> list[str]:
    """Where a node listens for requests of all users."""
    return [to_node("*", node), to_all("*"), *(to_label("*", key, value) for key, value in labels.items())]


def user_of(subject: str) -> str:
    """The user whom the hub has let publish a request there."""
    return subject.split(".", 2)[1]


class ReplyPlace(NamedTuple):
    """Where a node's replies to one session of a user go."""

    user: str
    session: str
    node: str

    @property
    def subject(self) -> str:
        return f"smanager-reply.{self.user}.{self.session}.{self.node}"

    @classmethod
    def of(cls, subject: str) -> ReplyPlace:
        return cls(*subject.split(".")[1:])


def inbox_of(user: str) -> str:
    """What the inboxes of a user's other questions begin with."""
    return f"_INBOX_{user}"


def permissions_of_user(user: str) -> dict[str, Any]:
    """What the hub lets a user do, in the words of a NATS configuration."""
    return {
        "publish": [f"smanager.{user}.>", *ASKED_ABOUT],
        "subscribe": [ReplyPlace(user, "*", "*").subject, f"{inbox_of(user)}.>"],
    }


def permissions_of_site(users: Iterable[str]) -> dict[str, Any]:
    """What the hub lets the hub of a site do, likewise, for which its nodes answer there."""
    return {
        "publish": [ReplyPlace("*", "*", "*").subject, *(f"{inbox_of(user)}.>" for user in users)],
        "subscribe": ["smanager.>", "$SRV.>"],
    }


def permissions_of_node(node: str, labels: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What the hub lets a node do, likewise: a node hears of a label only what is for those that it has."""
    return {
        "publish": [ReplyPlace("*", "*", node).subject],
        "subscribe": [*heard_by(node, dict(labels)), *ASKED_ABOUT, f"$SRV.*.{SERVICE}.*"],
        "allow_responses": {"max": 1, "expires": f"{ANSWER_SECONDS}s"},
    }
