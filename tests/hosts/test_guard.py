"""The guard's script, with processes of the test in place of a manager's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from smanager.hosts.guard import SCRIPT, SHELL

MARK = "SMANAGER_GUARDED"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs procfs")
def test_a_look_that_misses_a_process_is_not_the_last(tmp_path: Path) -> None:
    """As one does that lists all processes, then finds that the one which has meanwhile forked is gone."""
    for name, script in {
        "grep": f'[ -e {tmp_path}/looked ] || {{ touch {tmp_path}/looked; exit 1; }}\nexec {shutil.which("grep")} "$@"',
        "sleep": "exit 0",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    host = subprocess.Popen(["sleep", "3600"], start_new_session=True)
    missed = subprocess.Popen(["sleep", "3600"], env={**os.environ, MARK: "1"})
    subprocess.run(
        [SHELL, "-c", SCRIPT, SHELL, f"{MARK}=1"],
        input=f"+ {host.pid}\n",
        text=True,
        env={**os.environ, "PATH": path},
        timeout=30,
        check=False,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert (host.poll(), missed.poll()) == (-9, -9)
    finally:
        for process in (host, missed):
            process.kill()
            process.wait()
