"""The directory in which a service keeps what has to outlive it."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import Server

KEEPING = """
from smanager import SService


class Keeping(SService):
    def cmd_keep(self, text):
        self.state_dir.mkdir(exist_ok=True)
        (self.state_dir / "text").write_text(text)

    def cmd_kept(self):
        return (self.state_dir / "text").read_text() if self.state_dir else "nothing can be kept"
"""


def test_a_service_finds_what_it_kept_in_an_earlier_life(kept: Callable[..., Server]) -> None:
    server = kept(keeping=KEEPING)
    server.ask("keeping keep something")
    assert server.ask("restart keeping; keeping kept").endswith("\nsomething\n")
    assert (server.directory / "state" / "service-keeping" / "text").read_text() == "something"
