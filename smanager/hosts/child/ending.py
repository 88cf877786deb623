"""The end of a host: nothing that its services have written is lost, and what it shares with its template stays."""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import logging
import os
import stat
import sys
from contextlib import suppress


def prepare() -> None:
    """Have the copies of this process end as any Python program does, but for the modules that are imported by now.

    The interpreter would clear them and free what they hold, and the system would first copy each page of that, since
    it is shared: two thirds of what an end costs. What services import and make is freed as ever, unless something
    there refers to it; files are flushed even then.
    """
    shared = dict(sys.modules)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(shared))  # so that it is never freed itself

    def end() -> None:
        flush_files()
        for name, module in shared.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]

    # Handlers run in reverse order: this is the last, and those of the services still have all modules.
    atexit.unregister(logging.shutdown)
    atexit.register(end)
    atexit.register(logging.shutdown)


def flush_files() -> None:
    """Flush the open files on disks: the interpreter might meet the file below a text first (bpo-17852), or neither.

    To flush a pipe might take for ever. By their exact types, since asking a class of a service may run its code.
    """
    for item in gc.get_objects():
        kind = type(item)
        if kind is io.TextIOWrapper or kind is io.BufferedWriter or kind is io.BufferedRandom:
            with suppress(BaseException):  # it is closed, or a service's own is below it, which may raise anything
                if stat.S_ISREG(os.fstat(item.fileno()).st_mode):
                    item.flush()
