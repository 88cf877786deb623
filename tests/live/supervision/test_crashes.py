"""Services that crash or hang: the manager notices, starts them again, and says why they fell."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import (
    ROOT,
    SEED_SERVICE,
    Server,
    alive,
    is_in,
    wait_for,
    write_service,
)
from tests.live.checks import pid_of
from tests.live.samples import SERVICES, SLEEPER

FALLS = """
import os, time
from smanager import SService


class Falls(SService):
    def run(self):
        while not os.path.exists("fall"):
            time.sleep(0.01)
        os.unlink("fall")
        raise RuntimeError("as told")
"""

HANGS = """
import time
from smanager import SService


class Hangs(SService):
    watchdog = 0.5
    def run(self):
        for _ in range(5):
            self.alive()
            time.sleep(0.1)
        self.wait_for_ever()
    def wait_for_ever(self):
        time.sleep(3600)
"""

PROMISES = """
import threading
from smanager import SService


class Promises(SService):
    calls_ready = True
    start_timeout = 1
    def run(self):
        if self.options.get("keeps"):
            self.ready()
"""


def test_a_run_that_raises_is_a_fall_and_the_service_is_started_again(reloaded: Callable[..., Server]) -> None:
    server = reloaded(falls=FALLS)
    Path("fall").touch()
    server.wait_for_log("falls: its run raised RuntimeError: as told; started again at once")
    is_in(server, "falls", "running")
    assert re.search(r"^falls\trunning\t\d+\t\S+ s\t1\t", server.ask("status falls"), re.MULTILINE)
    page = server.ask("why falls")
    assert page.startswith("falls is running since ")
    assert "started by its supervision, ready after" in page
    assert "its run raised RuntimeError: as told; started again at once" in page
    assert "RuntimeError: as told\n" in page.partition("the last lines before its end")[2]


def test_a_fresh_process_is_what_starts_again(reloaded: Callable[..., Server]) -> None:
    server = reloaded(steady=SERVICES)
    before = server.ask("steady pid")
    assert before == server.ask("neighbour pid")
    os.kill(int(before), signal.SIGKILL)
    wait_for(lambda: server.ask("steady pid; neighbour pid").count("***") == 0, "both to be back")
    assert server.ask("steady pid") not in (before, "")


def test_silence_past_the_watchdog_is_a_hang_and_its_stacks_are_kept(kept: Callable[..., Server]) -> None:
    server = kept(hangs=HANGS)
    server.wait_for_log(r"hangs: hung: its run gave no sign of life for \d\.\d s; started again at once")
    server.wait_for_log(r"in wait_for_ever")
    assert "wait_for_ever" in server.ask("why hangs")
    assert "hung: its run gave no sign of life" in server.ask("events -n 100")


def test_a_process_that_was_stopped_by_a_signal_is_found_out(reloaded: Callable[..., Server]) -> None:
    server = reloaded("[services.hangs]\nwatchdog = 0.5", hangs=HANGS.replace("range(5)", "range(10**9)"))
    pid = server.children()[0]
    assert server.ask("signal hangs STOP") == ""
    wait_for(lambda: not alive(pid), "the stopped process to be ended")
    is_in(server, "hangs", "running")


def test_a_start_that_takes_too_long_is_a_hang(reloaded: Callable[..., Server]) -> None:
    server = reloaded("[services.promises]\ngive_up_after = 1", promises=PROMISES)
    server.wait_for_log("promises: hung: it was not ready within 1 s; given up after 1 early end")
    is_in(server, "promises", "failed")
    assert "is failed (hung: it was not ready within 1 s; given up" in server.ask("why promises")


def test_ready_is_when_the_service_says_so_where_it_promised(reloaded: Callable[..., Server]) -> None:
    server = reloaded("[services.promises]\noptions = { keeps = true }", promises=PROMISES)
    is_in(server, "promises", "running")


SHARED = """
import time
from smanager import SService


class Stuck(SService):
    stop_timeout = 0.3
    def run(self): time.sleep(3600)


class Neighbour(SService):
    restart = "never"
"""


def test_who_shares_a_process_that_is_killed_is_started_again_whatever_its_policy(
    reloaded: Callable[..., Server],
) -> None:
    server = reloaded(shared=SHARED)
    is_in(server, "stuck", "running")
    is_in(server, "neighbour", "running")
    assert server.ask("stop stuck").startswith("stuck: stopped")
    is_in(server, "neighbour", "running")
    ended = "its process was ended because of another service in it; started again at once"
    assert ended in server.ask("why neighbour")


def test_a_watchdog_looks_after_a_run_only_while_there_is_one(reloaded: Callable[..., Server]) -> None:
    brief = "from smanager import SService\nclass Brief(SService):\n    watchdog = 0.3\n"
    server = reloaded(brief=brief, none=brief.replace("Brief", "Steady") + "    def run(self): self.alive()\n")
    is_in(server, "brief", "running")
    is_in(server, "steady", "running")
    assert "not hung within 1 s" in server.ask("wait brief steady hung --timeout 1")
    assert server.ask("status").count("\t0\t") == 2


def test_a_crash_in_the_host_is_named_by_its_signal(reloaded: Callable[..., Server]) -> None:
    crash = "\n    def cmd_crash(self):\n        import ctypes\n        ctypes.string_at(0)\n"
    server = reloaded(systemstatus=SEED_SERVICE + crash)
    assert server.ask("systemstatus crash") == "*** systemstatus crash: its host died: killed by SIGSEGV\n"
    is_in(server, "systemstatus", "running")
    assert "in string_at" in server.ask("why systemstatus")  # what faulthandler has printed
    assert server.ask("hostname") == "mycomputerhostname\n"


def test_an_exit_in_no_time_for_ever_takes_bounded_cpu(kept: Callable[..., Server]) -> None:
    server = kept('[services.brief]\nprogram = ["true"]\n' + SLEEPER)
    is_in(server, "brief", "backoff")
    time.sleep(3)
    status = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    used = (int(status[11]) + int(status[12])) / os.sysconf("SC_CLK_TCK")
    assert used < 1.5
    assert json.loads(server.ask("status brief --json"))[0]["restarts"] < 6


def test_a_clock_that_jumps_moves_no_decision(directory: Path, start: Callable[..., Server]) -> None:
    jumping = (
        "import sys, time; real = time.time; "
        "time.time = lambda: real() + (3e7 if int(real() * 10) % 2 else -3e7); "
        "sys.argv = sys.argv[:1] + ['--port', '0', '--services', 'services', '--state-dir', 'state']; "
        f"sys.path.insert(0, {str(ROOT)!r}); "
        "from smanager.cli import main; sys.exit(main())"
    )
    (directory / "smanager.toml").write_text(SLEEPER + "stable_after = 0.1\n")
    server = Server(command=[sys.executable, "-c", jumping])

    def is_running_after(restarts: int) -> bool:
        (status,) = json.loads(server.ask("status sleeper --json"))
        return (status["state"], status["restarts"]) == ("running", restarts)

    try:
        for number in range(1, 6):
            is_in(server, "sleeper", "running")
            assert "not stopped within 0.2 s" in server.ask("wait sleeper stopped --timeout 0.2")
            os.kill(pid_of(server, "sleeper"), signal.SIGKILL)
            wait_for(partial(is_running_after, number), "another life")
        assert "backoff" not in server.ask("services")
    finally:
        server.stop()


def test_a_crash_is_mended_and_status_answers_among_idle_and_garbage_connections(
    reloaded: Callable[..., Server],
) -> None:
    server = reloaded(SLEEPER, systemstatus=SEED_SERVICE)
    is_in(server, "sleeper", "running")
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(server.connect())
        for number in range(50):
            garbage = stack.enter_context(server.connect())
            with contextlib.suppress(ConnectionError):
                garbage.sendall(bytes((number * index) % 256 for index in range(1, 3000)))
        os.kill(pid_of(server, "sleeper"), signal.SIGKILL)
        os.kill(server.children()[0], signal.SIGKILL)
        is_in(server, "sleeper", "running")
        wait_for(lambda: server.ask("hostname") == "mycomputerhostname\n", "the service to be back")


def test_a_start_that_raises_is_tried_again_and_commands_are_refused(server: Server, services: Path) -> None:
    write_service(services, SEED_SERVICE + "\n    def start(self): raise OSError('no disk')\n")
    reason, error = server.ask("restart").splitlines()
    assert reason.startswith("systemstatus: backoff (its start raised OSError: no disk; started again in ")
    assert error == "*** restart: not everything is running; the lines above say why"
    assert re.match(r"\*\*\* hostname: systemstatus is (backoff|starting)", server.ask("hostname"))


def test_a_service_that_dies_again_and_again_is_not_started_in_a_loop(server: Server, services: Path) -> None:
    deadly = "\n    def run(self):\n        import os\n        os._exit(9)\n"
    write_service(services, SEED_SERVICE + deadly)
    server.ask("restart")
    server.wait_for_log(r"systemstatus: its host died: exit status 9; started again at once")
    server.wait_for_log(r"systemstatus: its host died: exit status 9; started again in [1-9]\.\d s")
    assert re.match(r"systemstatus  (backoff|starting|running)", server.ask("services"))


def test_a_killed_program_is_started_again_at_once(reloaded: Callable[..., Server]) -> None:
    server = reloaded(SLEEPER)
    is_in(server, "sleeper", "running")
    pid = pid_of(server, "sleeper")
    os.kill(pid, signal.SIGKILL)
    server.wait_for_log("sleeper: killed by SIGKILL; started again at once")
    is_in(server, "sleeper", "running")
    assert pid_of(server, "sleeper") != pid


def test_success_codes_decide_what_is_a_failure(reloaded: Callable[..., Server]) -> None:
    once = '[services.{0}]\nprogram = ["sh", "-c", "exit 2"]\nrestart = "on-failure"\ngive_up_after = 1\n'
    server = reloaded(once.format("bad") + once.format("good") + "success_codes = [0, 2]\n")
    is_in(server, "bad", "failed")
    is_in(server, "good", "done")
    assert "good  done (exit status 2; restart is 'on-failure')" in server.ask("services")


STEADY = """
from threading import Event
from smanager import SService


class Steady(SService):
    watchdog = 1
    beats = 0
    over = Event()

    def run(self):
        while not self.over.wait(0.1):
            self.alive()
            self.beats += 1

    def stop(self):
        self.over.set()

    def cmd_beats(self):
        return self.beats
"""


@pytest.mark.parametrize("ahead", [0.0, 0.6], ids=["all at once", "with a ping under way"])
def test_who_could_not_run_is_not_hung(kept: Callable[..., Server], ahead: float) -> None:
    server = kept(
        "[services.probed]\nprogram = ['sh', '-c', 'while sleep 0.1; do echo up; done']\n"
        "alive_when = { output = 'up', interval = 0.5, failures = 1 }",
        steady=STEADY,
    )
    is_in(server, "steady", "running")
    is_in(server, "probed", "running")
    program, hosts = pid_of(server, "probed"), server.children()
    for pid in [program, *hosts]:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(ahead)
    os.kill(server.process.pid, signal.SIGSTOP)
    time.sleep(3)  # the pause itself
    for pid in [server.process.pid, *hosts, program]:
        os.kill(pid, signal.SIGCONT)
    beats = int(server.ask("steady beats"))
    wait_for(lambda: int(server.ask("steady beats")) >= beats + 20, "beats in more than the watchdog's time")
    assert "hung" not in server.log
    assert pid_of(server, "probed") == program
    assert set(server.children()) == set(hosts)


def test_a_pause_takes_nothing_of_a_programs_time_to_stop(kept: Callable[..., Server]) -> None:
    script = 'trap "echo stopping; sleep 0.7; echo stopped; exit" TERM; echo up; while :; do sleep 0.02; done'
    server = kept(
        f"[services.orderly]\nprogram = ['sh', '-c', '{script}']\n"
        "stop_timeout = 1.2\nready_when = { output = 'up' }\n"
    )
    is_in(server, "orderly", "running")
    everyone = [pid_of(server, "orderly"), *server.children(), server.process.pid]
    server.ask("stop orderly &")
    server.wait_for_log("stopping")
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)  # the pause itself
    for pid in reversed(everyone):
        os.kill(pid, signal.SIGCONT)
    server.wait_for_log("orderly: stopped")
