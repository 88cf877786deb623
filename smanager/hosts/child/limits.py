"""Resource limits of a process, by the names of setrlimit(2) in lower case without RLIMIT_."""

from __future__ import annotations

import resource
from collections.abc import Mapping


def set_limits(limits: Mapping[str, int]) -> None:
    """Limit this process and its future children. Raises ValueError, which says what is allowed."""
    for name, limit in limits.items():
        try:
            resource.setrlimit(_number(name), (limit, limit))
        except (ValueError, OSError):
            raise ValueError(too_high(limits)) from None


def too_high(limits: Mapping[str, int]) -> str:
    """Why limits cannot be set: which exceed this process's own, and what those are."""
    own = {name: resource.getrlimit(_number(name))[1] for name in limits}
    exceeded = [f"{name} {hard}" for name, hard in own.items() if 0 <= hard < limits[name]]
    return "its limits cannot be set" + (f"; the maximum here is: {', '.join(exceeded)}" if exceeded else "")


def _number(name: str) -> int:
    number: int = getattr(resource, f"RLIMIT_{name.upper()}")
    return number
