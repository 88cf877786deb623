"""SManager keeps services running and gives limited access to them through predefined commands."""

from smanager.service import SService

__all__ = ["SService"]
__version__ = "0.1.0"
