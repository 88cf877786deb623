"""The file of a unix socket."""

from __future__ import annotations

import grp
import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from smanager.config.listener import ListenerSettings
from smanager.server.unixsocket import UnixSocket


def test_a_link_in_the_place_of_the_new_socket_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("secret")
    victim.chmod(0o600)
    chown = os.chown

    def swapped(path: Path, *arguments: int, **options: bool) -> None:
        """What somebody else may do there at that moment."""
        path.unlink()
        path.symlink_to(victim)
        chown(path, *arguments, **options)

    monkeypatch.setattr(os, "chown", swapped)
    group = grp.getgrall()[-1]
    settings = ListenerSettings("local", unix=tmp_path / "s.sock", permissions=0o666, group=group.gr_name)
    with suppress(OSError):  # only root may give the link away
        UnixSocket(settings).close()
    found = victim.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o600, tmp_path.stat().st_gid)
