"""The files that TLS needs, read and checked; both listeners and the web page have them."""

from __future__ import annotations

import os
import ssl
import zlib
from pathlib import Path

from smanager.config.checks import SettingsError
from smanager.config.listener import Tls


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The context for TLS with these files. Raises SettingsError for files that are unusable or unsafe."""
    key = tls.key or tls.certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # in the midst of which nothing can be sent
    try:
        if key.stat().st_mode & 0o007:
            raise SettingsError(f"{key}: every user may read this key; `chmod o= {key}` fixes that")
        for path in filter(None, (tls.certificate, key, tls.client_ca)):
            require_own(path)
        context.load_cert_chain(tls.certificate, key, password=lambda: "")  # else it would ask on the terminal
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else str(error)
        raise SettingsError(f"{tls.certificate}, {key}: {reason}") from None
    return context


def fingerprint(tls: Tls) -> object:
    """A value that changes with the contents of the files, and with who may use them; None if one cannot be read."""
    try:
        files = [(path.stat(), path.read_bytes()) for path in (tls.certificate, tls.key, tls.client_ca) if path]
    except OSError:
        return None
    return [(zlib.crc32(data), status.st_mode, status.st_uid) for status, data in files]


def require_own(path: Path) -> None:
    """Raise SettingsError if another user could have written a file that decides whom to trust."""
    status = path.stat()
    if status.st_mode & 0o022:
        raise SettingsError(f"{path}: other users may write it; `chmod go-w {path}` fixes that")
    if status.st_uid not in (0, os.geteuid()):
        raise SettingsError(f"{path}: belongs to user id {status.st_uid}, and should belong to {os.geteuid()}")
