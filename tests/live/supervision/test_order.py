"""The order of starts and stops: needs and after."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Server, is_in, wait_for
from tests.live.clients import smanager
from tests.live.samples import CHAIN


def test_needs_and_after_order_the_start(kept: Callable[..., Server]) -> None:
    server = kept(CHAIN)
    for name in ("database", "app", "web"):
        is_in(server, name, "running")
    ready = re.findall(r"(\w+): running", server.ask("events -n 100"))
    assert ready == ["database", "app", "web"]


def test_a_stop_takes_what_needs_it_along_and_the_plan_says_so(reloaded: Callable[..., Server]) -> None:
    server = reloaded(CHAIN)
    is_in(server, "web", "running")
    plan = ["stop web, which is running", "stop app, which is running", "stop database, which is running"]
    assert sorted(server.ask("plan stop database").splitlines()) == sorted(plan)
    assert [line.split(":")[0] for line in server.ask("stop database").splitlines()][-1] == "database"
    assert server.ask("start web").splitlines() == ["database: running", "web: running"]


def test_a_restart_of_everything_keeps_the_order_over_files(kept: Callable[..., Server]) -> None:
    slow = "import time\nfrom smanager import SService\nclass Slow(SService):\n    def start(self): time.sleep(0.5)\n"
    quick = "from smanager import SService\nclass Quick(SService):\n    {} = ['slow']\n"
    for order in ("needs", "after"):
        server = kept(a_quick=quick.format(order), b_slow=slow)
        is_in(server, "quick", "running")
        assert server.ask("restart").splitlines() == ["slow: running", "quick: running"]
        assert re.findall(r"(\w+): running", server.ask("events -n 100"))[-4:] == ["slow", "quick"] * 2
        server.stop()


ENDING = """
shutdown_timeout = 2

[services.database]
program = ["sh", "-c", "trap ': >asked; exit' TERM; echo up; while :; do sleep 0.05; done"]
ready_when = { output = "up" }

[services.web]
program = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]
needs = ["database"]
ready_when = { output = "up" }
stop_timeout = 3600

[services.slow]
needs = ["database"]
stop_timeout = 3600
"""

SLOW = """
import time
from smanager import SService
class Slow(SService):
    def stop(self): time.sleep(3600)
"""


def test_a_bound_on_the_managers_end_kills_nothing_unasked(kept: Callable[..., Server]) -> None:
    server = kept(ENDING, slow=SLOW)
    for name in ("web", "slow"):
        is_in(server, name, "running")
    assert server.stop() == 0
    assert Path("asked").exists()
    assert "killing them" not in server.log


MIGRATION = """
[services.migrate]
program = ["sh", "-c", "sleep 0.3; echo migrating; [ -e tried ] && touch migrated; touch tried; [ -e migrated ]"]
ready_when = { done = true }

[services.server]
program = ["sh", "-c", "[ -e migrated ] && echo serving && exec sleep 3600"]
needs = ["migrate"]
ready_when = { output = "serving" }
"""


def test_a_migration_runs_before_its_server_until_it_succeeds(kept: Callable[..., Server]) -> None:
    server = kept(MIGRATION)
    assert server.ask("wait server running") == ""
    assert "migrate  done (exit status 0; restart is 'on-failure')\n" in server.ask("services")
    assert re.findall(r"\w+: (?:running|exit status .*)", server.ask("events -n 100")) == [
        "migrate: exit status 1; started again at once",
        "migrate: exit status 0; restart is 'on-failure'",
        "server: running",
    ]
    assert server.ask("restart server") == "server: running\n"
    assert server.ask("start migrate") == "migrate: done (exit status 0; restart is 'on-failure')\n"
    assert server.ask("logs migrate").count("migrating") == 3
    assert server.ask("wait migrate done") == ""


def test_a_service_whose_need_is_down_waits_and_says_for_whom(kept: Callable[..., Server]) -> None:
    server = kept(CHAIN.replace('"sh", "-c", "sleep 0.3; echo up; exec sleep 3600"', '"false"'))
    wait_for(lambda: "starting (waits for database" in server.ask("services"), "the reason")
    is_in(server, "app", "starting")


def test_who_waits_for_a_start_keeps_nobody_from_a_stop(kept: Callable[..., Server]) -> None:
    server = kept(CHAIN.replace('output = "^up$"', 'output = "never"'))
    with server.connect() as connection:
        connection.sendall(b"start web\n")
        assert server.ask("stop database").count("stopped") == 3


def test_a_dependency_cycle_is_an_error_in_the_configuration(kept: Callable[..., Server], directory: Path) -> None:
    circle = CHAIN.replace("[services.database]", '[services.database]\nneeds = ["web"]')
    server = kept(circle)
    assert "[services.database] dependency cycle: database → web → database" in server.ask("services")
    check = smanager("--check", cwd=directory)
    assert check.returncode == 1
    assert "dependency cycle: " in check.stdout


def test_a_missing_need_says_why_it_is_missing(kept: Callable[..., Server], directory: Path) -> None:
    program = '[services.{}]\nprogram = ["sleep", "3600"]\n'
    needs = {
        "disabled": "which is not enabled",
        "stopped": "which is stopped",
        "failed": "which has failed",
        "unknown": "which does not exist",
    }
    needy = {need: program.format(f"for-{need}") + f'needs = ["{need}"]\n' for need in needs}
    late = needy.pop("stopped")
    configuration = (
        program.format("disabled")
        + "enabled = false\n"
        + program.format("stopped")
        + '[services.failed]\nprogram = ["no-such-program"]\ngive_up_after = 1\n'
        + "".join(needy.values())
    )
    server = kept(configuration)
    is_in(server, "stopped", "running")
    is_in(server, "failed", "failed")
    server.ask("stop stopped")
    (directory / "smanager.toml").write_text(configuration + late)
    assert "for-stopped: starting (waits for stopped, which is stopped)" in server.ask("reload")
    for need, reason in needs.items():
        assert f"for-{need} is starting (waits for {need}, {reason})" in server.ask(f"why for-{need}")
