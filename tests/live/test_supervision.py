"""Services kept up, in the running program: what falls is started again, what hangs is found, a stop holds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Server, alive, is_in, read_until, wait_for
from tests.live.test_jsonrpc import Program

SERVICES = """
import os, time
from smanager import SService


class Steady(SService):
    options = {"greeting": "hello"}
    def cmd_pid(self): return os.getpid()
    def cmd_greeting(self): return self.options["greeting"] + " from " + self.name


class Neighbour(SService):
    def cmd_pid(self): return os.getpid()
"""

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

STUBBORN = """
import os, signal, subprocess, time
from smanager import SService


class Stubborn(SService):
    stop_timeout = 0.3
    def start(self):
        script = "trap '' TERM; echo up; while :; do sleep 1; done"
        self.child = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
        self.child.stdout.readline()
    def cmd_child(self): return self.child.pid
    def stop(self): time.sleep(3600)
"""


def test_a_run_that_raises_is_a_fall_and_the_service_is_started_again(kept: Callable[..., Server]) -> None:
    server = kept(falls=FALLS)
    Path("fall").touch()
    server.wait_for_log("falls: its run raised RuntimeError: as told; started again at once")
    is_in(server, "falls", "running")
    assert re.search(r"^falls\trunning\t\d+\t\S+ s\t1\t", server.ask("status falls"), re.MULTILINE)
    page = server.ask("why falls")
    assert page.startswith("falls is running, for ")
    assert "started by its supervision, ready after" in page
    assert "its run raised RuntimeError: as told; started again at once" in page
    assert "RuntimeError: as told\n" in page.partition("the last lines before its end")[2]


def test_a_fresh_process_is_what_starts_again(kept: Callable[..., Server]) -> None:
    server = kept(steady=SERVICES)
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


def test_a_process_that_was_stopped_by_a_signal_is_found_out(kept: Callable[..., Server]) -> None:
    server = kept("[services.hangs]\nwatchdog = 0.5", hangs=HANGS.replace("range(5)", "range(10**9)"))
    pid = server.children()[0]
    assert server.ask("signal hangs STOP") == ""
    wait_for(lambda: not alive(pid), "the stopped process to be ended")
    is_in(server, "hangs", "running")


def test_a_start_that_takes_too_long_is_a_hang(kept: Callable[..., Server]) -> None:
    server = kept("[services.promises]\ngive_up_after = 1", promises=PROMISES)
    server.wait_for_log("promises: hung: it was not ready within 1 s; given up after 1 early end")
    is_in(server, "promises", "failed")
    assert "is failed (hung: it was not ready within 1 s; given up" in server.ask("why promises")


def test_ready_is_when_the_service_says_so_where_it_promised(kept: Callable[..., Server]) -> None:
    server = kept("[services.promises]\noptions = { keeps = true }", promises=PROMISES)
    is_in(server, "promises", "running")


def test_a_service_is_given_its_options_and_its_name(kept: Callable[..., Server]) -> None:
    server = kept("[services.steady]\noptions = { greeting = 'good day' }", steady=SERVICES)
    assert server.ask("steady greeting") == "good day from steady\n"


def test_a_service_is_limited_with_its_process(kept: Callable[..., Server]) -> None:
    limits = (
        SERVICES + "    def cmd_limit(self): import resource; return resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
    )
    server = kept("[services.steady]\nlimits = { nofile = 77 }", steady=limits)
    assert server.ask("neighbour limit") == "77\n"
    Path("smanager.toml").write_text("[services.steady]\nlimits = { nofile = 1_000_000_000_000 }\ngive_up_after = 1")
    server.ask("reload")
    assert "its limits cannot be set; at most are allowed here: " in server.ask("why steady")


def test_services_of_one_host_share_a_process(kept: Callable[..., Server]) -> None:
    lone = SERVICES.replace("Steady", "Lone").replace("Neighbour", "Guest")
    server = kept("[services.steady]\nhost = 'shared'\n[services.lone]\nhost = 'shared'", steady=SERVICES, lone=lone)
    pids = {name: server.ask(f"{name} pid") for name in ("steady", "lone", "neighbour", "guest")}
    assert server.ask("status").count("MiB shared") == 2
    assert pids["steady"] == pids["lone"]
    assert len(set(pids.values())) == 3


def test_one_of_two_in_a_process_is_stopped_and_the_other_goes_on(kept: Callable[..., Server]) -> None:
    server = kept(steady=SERVICES)
    pid = server.ask("neighbour pid")
    assert re.fullmatch(r"steady: stopped \(by 127\.0\.0\.1:\d+\)\n", server.ask("stop steady"))
    assert re.fullmatch(r"\*\*\* steady pid: steady is stopped \(by 127\.0\.0\.1:\d+\)\n", server.ask("steady pid"))
    assert server.ask("neighbour pid") == pid
    assert server.ask("start steady") == "steady: running\n"
    assert server.ask("steady pid") == pid


def test_a_stop_that_hangs_ends_in_a_kill_of_the_whole_group(kept: Callable[..., Server]) -> None:
    server = kept(stubborn=STUBBORN)
    child, host = int(server.ask("stubborn child")), server.children()[0]
    assert server.ask("stop stubborn").startswith("stubborn: stopped")
    assert not alive(child)
    assert not alive(host)


SHARED = """
import time
from smanager import SService


class Stuck(SService):
    stop_timeout = 0.3
    def run(self): time.sleep(3600)


class Neighbour(SService):
    restart = "never"
"""


def test_who_shares_a_process_that_is_killed_is_started_again_whatever_its_policy(kept: Callable[..., Server]) -> None:
    server = kept(shared=SHARED)
    is_in(server, "stuck", "running")
    is_in(server, "neighbour", "running")
    assert server.ask("stop stuck").startswith("stuck: stopped")
    is_in(server, "neighbour", "running")
    ended = "its process was ended because of another service in it; started again at once"
    assert ended in server.ask("why neighbour")


SLOW_STOP = """
[services.slow]
program = ["sh", "-c", "trap 'sleep 1; exit 0' TERM; echo up; while :; do sleep 0.05; done"]
ready_when = { output = "up" }
"""


def test_the_last_word_on_a_service_counts(kept: Callable[..., Server]) -> None:
    server = kept(SLOW_STOP)
    is_in(server, "slow", "running")
    with server.connect() as connection:
        connection.sendall(b"restart slow\n")
        is_in(server, "slow", "stopping")
        assert server.ask("stop slow").startswith("slow: stopped")
        assert b"*** restart: not everything is running" in read_until(connection, b"why\n")
        is_in(server, "slow", "stopped")
        server.ask("start slow")
    with server.connect() as connection:
        connection.sendall(b"stop slow\n")
        is_in(server, "slow", "stopping")
        assert server.ask("start slow") == "slow: running\n"


def test_a_watchdog_looks_after_a_run_only_while_there_is_one(kept: Callable[..., Server]) -> None:
    brief = "from smanager import SService\nclass Brief(SService):\n    watchdog = 0.3\n"
    server = kept(brief=brief, none=brief.replace("Brief", "Runs") + "    def run(self): self.alive()\n")
    is_in(server, "brief", "running")
    is_in(server, "runs", "running")
    assert "not hung within 1 s" in server.ask("wait brief runs hung --timeout 1")
    assert server.ask("status").count("\t0\t") == 2


def test_who_waits_is_told_how_things_are(kept: Callable[..., Server]) -> None:
    server = kept(SLOW_STOP)
    is_in(server, "slow", "running")
    assert server.ask("wait slow stopped --timeout 5.5").splitlines() == [
        "slow: still running",
        "*** wait: not stopped within 5.5 s: slow is running",
    ]


def test_what_is_stopped_stays_stopped_over_a_restart_of_the_manager(kept: Callable[..., Server]) -> None:
    server = kept(steady=SERVICES)
    server.ask("stop steady")
    server.stop()
    server = kept()
    assert re.search(
        r"^neighbour +running\nsteady +stopped \(by a user, earlier\)$", server.ask("services"), re.MULTILINE
    )
    assert server.ask("restart").splitlines() == ["neighbour: running"]
    server.ask("start steady")
    server.stop()
    assert re.search(r"^steady +running$", kept().ask("services"), re.MULTILINE)


def test_a_second_manager_on_the_same_state_is_refused_in_one_line(kept: Callable[..., Server]) -> None:
    server = kept(steady=SERVICES)
    second = subprocess.run(
        [*server.command[:2], "--port", "0", "--services", "services", "--state-dir", "state"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1].startswith(
        f"smanager: the state directory state is in use by another manager, process {server.process.pid}; "
    )


# Order.

CHAIN = """
[services.database]
program = ["sh", "-c", "sleep 0.3; echo up; exec sleep 3600"]
ready_when = { output = "^up$" }

[services.app]
program = ["sleep", "3600"]
needs = ["database"]

[services.web]
program = ["sleep", "3600"]
after = ["app"]
needs = ["database"]
"""


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
    cycle = CHAIN.replace("[services.database]", '[services.database]\nneeds = ["web"]')
    server = kept(cycle)
    assert "[services.database] dependency cycle: database → web → database" in server.ask("services")
    check = subprocess.run([*server.command[:2], "--check"], capture_output=True, text=True, timeout=20, check=False)
    assert check.returncode == 1
    assert "dependency cycle: " in check.stdout


# Commands.


def test_patterns_and_all_name_several(kept: Callable[..., Server]) -> None:
    server = kept(CHAIN)
    is_in(server, "web", "running")
    assert {line.split(":")[0] for line in server.ask("stop a*").splitlines()} == {"app"}
    assert {line.split(":")[0] for line in server.ask("start all").splitlines()} == {"app", "database", "web"}
    assert server.ask("stop nobody*").startswith("*** no service is called nobody*; there are: app, database, web")
    assert server.ask("stop") == "*** stop: of which service? usage: stop SERVICE ..., or all\n"


def test_wait_fails_in_time_and_says_how_things_are(kept: Callable[..., Server]) -> None:
    server = kept(steady=SERVICES)
    assert server.ask("wait steady stopped --timeout 0.1") == (
        "*** wait: not stopped within 0.1 s: steady is running\n"
    )
    assert server.ask("wait steady gone").startswith("*** wait: gone is no state; there are: stopped, starting, ")
    assert server.ask("wait").startswith("*** wait: the following arguments are required: SERVICE STATE; usage: wait ")


COMPLETIONS = {
    "stat": ["status"],
    "status d": ["database"],
    "logs ": ["app", "database", "web"],
    "logs -": ["--json", "-f", "-n"],
    "events -f -": ["--json", "-f", "-n"],
    "wait web st": ["starting", "stopped", "stopping"],
    "wait web running --": ["--json", "--timeout"],
    "reload --d": ["--dry-run"],
    "signal web HU": ["HUP"],
    "plan ": ["restart", "stop"],
    "plan stop w": ["web"],
    "web sto": ["stop"],
    "web wait runn": ["running"],
}


def test_tab_completes_services_states_signals_and_options(kept: Callable[..., Server]) -> None:
    with kept(CHAIN).connect() as connection:
        program = Program(connection)
        found = {line: program.call(line, "shell.complete")["matches"] for line in COMPLETIONS}
    assert found == COMPLETIONS


def test_inside_a_service_its_name_is_not_needed(kept: Callable[..., Server]) -> None:
    server = kept(steady=SERVICES)
    with server.connect() as connection:
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
        read_until(connection, b"\r\n>")
        connection.sendall(b"steady\rstatus\rstop\r")
        shown = read_until(connection, b"steady: stopped (by ")
        assert b"neighbour" not in shown.partition(b"steady>status")[2].replace(b"-neighbour", b"")


def test_logs_are_followed_until_ctrl_c(kept: Callable[..., Server]) -> None:
    server = kept('[services.ticks]\nprogram = ["sh", "-c", "while :; do echo tick; sleep 0.05; done"]')
    is_in(server, "ticks", "running")
    with server.connect() as connection:
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
        read_until(connection, b"\r\n>")
        connection.sendall(b"logs -f ticks\r")
        for _ in range(5):
            read_until(connection, b" ticks: tick\r\n")
        connection.sendall(b"\x03hostname\r")
        read_until(connection, b">hostname\r\n")
    assert re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ticks: tick\n){3}", server.ask("logs -n 3 ticks"))


def test_a_service_whose_failure_ends_the_manager_does(kept: Callable[..., Server]) -> None:
    server = kept('exit_on = ["bad"]\n[services.bad]\nprogram = ["sh", "-c", "sleep 0.5; exit 3"]\nrestart = "never"')
    assert server.process.wait(20) == 1
    assert "bad: exit status 3; restart is 'never'" in server.log
