"""TLS for the page: the files as they are now, so that a renewed certificate is used at once."""

from __future__ import annotations

import ssl

from smanager.config.certificates import fingerprint, tls_context
from smanager.config.checks import SettingsError
from smanager.config.listener import Tls


class Secured:
    """The context for new connections."""

    def __init__(self, tls: Tls) -> None:
        """Raises SettingsError for files that are unusable or unsafe."""
        self._tls = tls
        self._seen = fingerprint(tls)  # first: a change during the read is noticed later
        self._context = tls_context(tls)

    def context(self) -> ssl.SSLContext:
        """The context for the files of now, or, if these cannot be used, the last that could."""
        if (now := fingerprint(self._tls)) != self._seen:
            self._seen = now
            try:
                self._context = tls_context(self._tls)
            except SettingsError as error:
                print(f"the certificate stays as it was: {error}")
        return self._context
