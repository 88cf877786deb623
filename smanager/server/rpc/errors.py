"""Why a program's request fails, by the error codes of JSON-RPC 2.0 (section 5.1)."""

from __future__ import annotations

from smanager.commands.arguments import Arguments, accept
from smanager.commands.record import Command, CommandError, Status

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32601, -32602, -32603
FAILED, TOO_MUCH_OUTPUT, NOT_LOGGED_IN = -32000, -32001, -32002  # from the range for servers
CANCELLED = -32800  # the Language Server Protocol's RequestCancelled


class RequestError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, message: str, data: object = None, identity: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data
        self.identity = identity
        """The id of an invalid request, if it had one."""


def accepted(command: Command, name: str, params: object) -> Arguments:
    """A request's params as a command's arguments. Raises RequestError for wrong ones."""
    try:
        return accept(command, name, params)
    except CommandError as error:
        if error.status is not Status.UNUSABLE:
            raise
        raise RequestError(INVALID_PARAMS, str(error)) from None
