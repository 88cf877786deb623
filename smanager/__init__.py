"""SManager keeps services running and gives limited access to them through predefined commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smanager.service import Line, ManagerError, Progress, Secret, SService, command

if TYPE_CHECKING:
    from smanager.hosts.child.program import Program

__all__ = ["Line", "ManagerError", "Program", "Progress", "SService", "Secret", "command"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `Program` only on use: few services are programs, and the manager itself never needs it."""
    if name == "Program":
        from smanager.hosts.child.program import Program

        return Program
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
