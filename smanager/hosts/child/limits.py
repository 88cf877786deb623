"""Resource limits of a process, by the names of setrlimit(2) in lower case without RLIMIT_."""

from __future__ import annotations

import resource
from collections.abc import Mapping


def set_limits(limits: Mapping[str, int]) -> None:
    """Limit this process, and what it will start. Raises ValueError, which says what is allowed."""
    for name, limit in limits.items():
        try:
            resource.setrlimit(_number(name), (limit, limit))
        except (ValueError, OSError):
            raise ValueError(too_high(limits)) from None


def too_high(limits: Mapping[str, int]) -> str:
    """What is wrong with limits that cannot be set."""
    most = {name: resource.getrlimit(_number(name))[1] for name in limits}
    allowed = [f"{name} {hard}" for name, hard in most.items() if 0 <= hard < limits[name]]
    return f"its limits cannot be set; at most are allowed here: {', '.join(allowed) or 'others'}"


def _number(name: str) -> int:
    number: int = getattr(resource, f"RLIMIT_{name.upper()}")
    return number
