"""Which process is told of a change: the NATS server with this configuration, and no other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from smanager.fleet.running_hub import tell
from tests.conftest import SECONDS, wait_for

HANGUP = "told"


class Pretender:
    """A shell that bears a name, and says when it is told to read its configuration again."""

    def __init__(self, directory: Path, name: str, *arguments: str) -> None:
        script = f"trap 'echo {HANGUP}' HUP; echo ready; while read line; do :; done; exit 0"
        self.process = subprocess.Popen(
            [name, "-c", script, "sh", *arguments],
            executable="/bin/sh", cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def said(self) -> str:
        """What it has said by its end."""
        return self.process.communicate(timeout=SECONDS)[0]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=SECONDS)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "hub").mkdir()
    for name in ("hub/nats.conf", "other.conf"):
        (tmp_path / name).touch()
    return tmp_path / "hub" / "nats.conf"


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("argument", ["hub/nats.conf", "--config=hub/nats.conf", "{settings}", "hub/../hub/nats.conf"])
@pytest.mark.parametrize("name", ["nats-server", "/usr/sbin/nats-server"])
def test_the_hubs_own_server_is_told(settings: Path, ends: ExitStack, name: str, argument: str) -> None:
    server = Pretender(settings.parents[1], name, "-c", argument.format(settings=settings))
    ends.callback(server.close)
    assert tell(server.process.pid, settings)
    assert server.said() == f"{HANGUP}\n"


@pytest.mark.parametrize(
    ("name", "argument"), [("nats-server", "other.conf"), ("nats-server", "missing.conf"), ("less", "hub/nats.conf")]
)
def test_another_process_that_has_the_servers_id_by_now_is_left_alone(
    settings: Path, ends: ExitStack, name: str, argument: str
) -> None:
    other = Pretender(settings.parents[1], name, argument)
    ends.callback(other.close)
    assert not tell(other.process.pid, settings)
    assert other.said() == ""


def test_a_process_that_is_gone_is_not_told(settings: Path, ends: ExitStack) -> None:
    server = Pretender(settings.parents[1], "nats-server", "hub/nats.conf")
    server.close()
    wait_for(lambda: not Path(f"/proc/{server.process.pid}").exists(), "its end")
    assert not tell(server.process.pid, settings)
