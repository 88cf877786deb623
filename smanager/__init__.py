"""SManager keeps services running and gives limited access to them through predefined commands."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file can be read by any Python, so that one line can say what lacks
    sys.exit("smanager needs Python 3.11 or newer, and this is Python " + sys.version.split()[0])

from typing import TYPE_CHECKING

from smanager.service import CallerError, Line, ManagerError, Progress, Secret, SService, command

if TYPE_CHECKING:
    from smanager.hosts.child.program import Program

__all__ = ["CallerError", "Line", "ManagerError", "Program", "Progress", "SService", "Secret", "command"]
__version__ = "0.1.0"


def __getattr__(name):  # type: (str) -> object
    """Import `Program` only on use: few services are programs, and the manager itself never needs it."""
    if name == "Program":
        from smanager.hosts.child.program import Program

        return Program
    raise AttributeError("module " + repr(__name__) + " has no attribute " + repr(name))
