"""Orphans: processes whose parent has ended are reaped by the manager."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Server, wait_for


def test_orphans_of_services_are_reaped(kept: Callable[..., Server]) -> None:
    orphan = (
        '[services.parent]\nprogram = ["sh", "-c", "(setsid sh -c \'echo orphan $$; sleep 0.3\' &); exec sleep 3600"]'
    )
    server = kept(orphan)
    pid = int(server.wait_for_log(r"parent: orphan (\d+)").group(1))
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the orphan to be gone, and no zombie")
