"""Descriptors 0 to 2, which all programs take for their standard input, output and error."""

from __future__ import annotations

import os
import sys

_STREAMS = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}


def open_standard_descriptors() -> None:
    """Open the null device for each standard stream that was closed at the start (`>&-`), before anything else.

    Otherwise the next file or socket would get the stream's number, and with it all that is printed.
    """
    for descriptor, (name, mode) in _STREAMS.items():
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: those below have been opened already
            os.set_inheritable(descriptor, True)  # for child processes, as with any other standard stream
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))
