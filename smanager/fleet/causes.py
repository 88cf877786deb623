"""What is wrong in a fleet, by its causes: from what each node says of its services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

WELL = ("running", "stopped", "done", "starting", "stopping")
"""States that need no help: a user wanted them, or they end by themselves."""

BACKOFF = "backoff"

OLDEST = 10**11  # seconds that a service can have been in its state: three thousand years, of which words can be made


def are_services(value: object) -> bool:
    """Whether this is how a node tells of its services: an answer is what a stranger sent, until it is looked at."""
    return isinstance(value, list) and all(map(_is_service, value))


def _is_service(value: Any) -> bool:
    match value:
        case {"name": str(), "state": str(), "restarts": int()}:
            age, reasons = value.get("age") or 0.0, (value.get("reason") or "", value.get("last_end") or "")
            is_age = isinstance(age, int | float) and abs(age) <= OLDEST
            return is_age and all(isinstance(text, str) for text in reasons)
    return False


def state_summary(services: Sequence[Mapping[str, Any]]) -> str:
    """How many services are in which state, what is wrong first: `1 failed, 5 running`."""
    counts = Counter(str(service["state"]) for service in services)
    ordered = sorted(counts, key=lambda state: (state in WELL, state))
    return ", ".join(f"{counts[state]} {state}" for state in ordered) or "no services"


def causes_of(answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, list[str]]]:
    """What is wrong, and with which nodes; what most of them have comes first."""
    causes: dict[str, list[str]] = {}
    for node, services in sorted(answers.items()):
        for service in services:
            if service["state"] not in WELL:
                cause = f"{service['name']} {service['state']}{_reason(service)}"
                causes.setdefault(" ".join(cause.splitlines()), []).append(node)  # a line more could pass for another
    return sorted(causes.items(), key=lambda cause: (-len(cause[1]), cause[0]))


def _reason(service: Mapping[str, Any]) -> str:
    """Why a service is not well, without the time to its next start, which no two nodes share."""
    reasons = [service.get("reason"), service.get("last_end")]
    if service["state"] == BACKOFF:
        reasons.reverse()
    return next((f": {reason}" for reason in reasons if reason), "")
