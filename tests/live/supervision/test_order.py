"""The order of starts and stops: needs and after."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Server, is_in, wait_for
from tests.live.samples import CHAIN


def test_needs_and_after_order_the_start(kept: Callable[..., Server]) -> None:
    server = kept(CHAIN)
    for name in ("database", "app", "web"):
        is_in(server, name, "running")
    ready = re.findall(r"(\w+): running", server.ask("events -n 100"))
    assert ready == ["database", "app", "web"]


def test_a_stop_takes_what_needs_it_along_and_the_plan_says_so(kept: Callable[..., Server]) -> None:
    server = kept(CHAIN)
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
        assert re.findall(r"(\w+): running", server.ask("events -n 100")) == ["slow", "quick"] * 2
        server.stop()


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
    check = subprocess.run([*server.command[:2], "--check"], capture_output=True, text=True, timeout=20, check=False)
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
