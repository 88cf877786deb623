"""Starting and stopping services, one or all, and what holds afterwards."""

from __future__ import annotations

import re
import resource
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import (
    SEED_SERVICE,
    Server,
    alive,
    is_in,
    read_until,
    wait_for,
    write_service,
)
from tests.live.clients import smanager
from tests.live.samples import SERVICES, SLEEPER, SLOW_STOP


def test_a_service_is_given_its_options_and_its_name(reloaded: Callable[..., Server]) -> None:
    server = reloaded("[services.steady]\noptions = { greeting = 'good day' }", steady=SERVICES)
    assert server.ask("steady greeting") == "good day from steady\n"


def test_services_of_one_host_share_a_process(reloaded: Callable[..., Server]) -> None:
    lone = SERVICES.replace("Steady", "Lone").replace("Neighbour", "Guest")
    server = reloaded(
        "[services.steady]\nhost = 'shared'\n[services.lone]\nhost = 'shared'", steady=SERVICES, lone=lone
    )
    pids = {name: server.ask(f"{name} pid") for name in ("steady", "lone", "neighbour", "guest")}
    assert server.ask("status").count("MiB shared") == 2
    assert pids["steady"] == pids["lone"]
    assert len(set(pids.values())) == 3


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


def test_one_of_two_in_a_process_is_stopped_and_the_other_goes_on(reloaded: Callable[..., Server]) -> None:
    server = reloaded(steady=SERVICES)
    pid = server.ask("neighbour pid")
    assert re.fullmatch(r"steady: stopped \(by 127\.0\.0\.1:\d+\)\n", server.ask("stop steady"))
    refused = r"\*\*\* steady pid: steady is stopped \(by 127\.0\.0\.1:\d+\); `start steady` starts it\n"
    assert re.fullmatch(refused, server.ask("steady pid"))
    assert server.ask("neighbour pid") == pid
    assert server.ask("start steady") == "steady: running\n"
    assert server.ask("steady pid") == pid


def test_a_stop_that_hangs_ends_in_a_kill_of_the_whole_group(reloaded: Callable[..., Server]) -> None:
    server = reloaded(stubborn=STUBBORN)
    child, host = int(server.ask("stubborn child")), server.children()[0]
    assert server.ask("stop stubborn").startswith("stubborn: stopped")
    assert not alive(child)
    assert not alive(host)


KILLED = {
    "program": "[services.web]\nprogram = ['sh', '-c', 'trap \"\" TERM; echo up; while :; do sleep 0.1; done']\n"
    "ready_when = { output = 'up' }\n",
    "child of a program": "[services.web]\nprogram = ['sh', '-c', 'trap \"\" TERM; (while :; do sleep 0.1; done) & "
    "echo up; trap - TERM; exec sleep 100']\nready_when = { output = 'up' }\n",
    "class": "[services.web]\n",
}


@pytest.mark.parametrize("what", KILLED)
def test_a_stop_that_needed_a_kill_says_so_everywhere(kept: Callable[..., Server], what: str) -> None:
    services = {"web": STUBBORN.replace("class Stubborn", "class Web")} if what == "class" else {}
    server = kept(f"{KILLED[what]}stop_timeout = 0.3\n", **services)
    is_in(server, "web", "running")
    reason = r"(killed|ended by SIGTERM), because it did not stop within 0\.3 s"
    assert re.fullmatch(rf"web: stopped \(by 127\.0\.0\.1:\d+; {reason}\)\n", server.ask("stop web"))
    assert re.search(rf"ended after .*: stopped by 127\.0\.0\.1:\d+; {reason}\n", server.ask("why web"))
    assert re.search(rf"web: stopped; {reason}\n", server.ask("events web"))
    assert re.search(rf"\tstopped by 127\.0\.0\.1:\d+; {reason}\n", server.ask("status web"))


def test_why_and_events_remember_over_a_restart_of_the_manager_with_who_and_when(kept: Callable[..., Server]) -> None:
    server = kept(SLEEPER)
    server.ask("stop sleeper")
    server.ask("start sleeper")
    lives, events = server.ask("why sleeper").splitlines()[1:], server.ask("events").splitlines()
    server.stop()
    server = kept(SLEEPER)
    assert server.ask("events -n 1000").splitlines()[: len(events)] == events
    begun, before, end, *earlier = server.ask("why sleeper").splitlines()[1:]
    assert "started by the manager, ready" in begun
    assert re.search(": ended after .*: stopped by the manager's end$", end)
    assert [before, *earlier] == lives
    assert re.search("\tstopped by the manager's end\n", server.ask("status"))
    server.process.kill()
    server.process.wait()
    server = kept(SLEEPER)
    assert server.ask("status").endswith("\tended with the manager, which did not stop it\n")


def test_the_last_word_on_a_service_counts(reloaded: Callable[..., Server]) -> None:
    server = reloaded(SLOW_STOP)
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


def second_manager(server: Server, *options: str) -> str:
    """The last words of another manager that is started in the directory of one that runs."""
    second = smanager("--port", "0", "--services", "services", *options, cwd=server.directory)
    assert (second.returncode, second.stdout) == (1, "")
    return second.stderr


@pytest.mark.parametrize("options", [(), ("--state-dir", "other"), ("--console",), ("--services", "more")])
def test_a_configuration_has_one_manager(kept: Callable[..., Server], options: tuple[str, ...]) -> None:
    server = kept(steady=SERVICES)
    Path("more").mkdir()
    said = second_manager(server, *options)
    expected = rf"smanager: a manager of {Path.cwd()}/smanager\.toml runs already, process {server.process.pid}; "
    assert re.fullmatch(rf"{expected}`.* attach` opens its shell\n", said), said


def test_a_state_directory_has_one_manager(kept: Callable[..., Server]) -> None:
    server = kept(steady=SERVICES)
    Path("other.toml").touch()
    said = (
        f"smanager: the state directory {Path.cwd()}/state is in use by another manager, process {server.process.pid}; "
    )
    assert second_manager(server, "--config", "other.toml", "--state-dir", "state").startswith(said)


def test_what_was_stopped_stays_stopped_whatever_the_listeners(
    directory: Path, start: Callable[..., Server], free_port: int
) -> None:
    write_service(directory / "services", SERVICES, "steady.py")
    first = start("--services", "services", "--port", free_port)
    first.ask("stop steady")
    first.stop()
    Path("smanager.toml").write_text('[listeners.local]\nunix = "local.sock"\n')  # the first file that there is
    assert re.search(r"^steady +stopped", start("--services", "services", "--unix", "s").ask("services"), re.MULTILINE)


def test_the_state_of_an_earlier_version_is_carried_over(
    directory: Path, start: Callable[..., Server], free_port: int, state_home: Path
) -> None:
    write_service(directory / "services", SERVICES, "steady.py")
    earlier = state_home / "smanager" / f"127.0.0.1-{free_port}"
    (earlier / "logs").mkdir(parents=True)
    (earlier / "stopped.json").write_text('{"format": 1, "stopped": ["steady"]}')
    server = start("--services", "services", "--port", free_port)
    assert re.search(r"^steady +stopped", server.ask("services"), re.MULTILINE)
    server.wait_for_log(f"the state directory {earlier} is .* from now on")
    assert not earlier.exists()


@pytest.mark.parametrize("lost", ["state", "state/lock"])
def test_a_state_directory_that_was_deleted_is_made_again(kept: Callable[..., Server], lost: str) -> None:
    server = kept(steady=SERVICES)
    server.ask("stop steady")
    path = Path(lost)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    server.wait_for_log("the state directory .*/state was deleted, and is made again")
    assert "runs already" in second_manager(server)
    server.stop()
    assert re.search(r"^steady +stopped \(by a user, earlier\)$", kept().ask("services"), re.MULTILINE)


def test_a_service_whose_failure_ends_the_manager_does(kept: Callable[..., Server]) -> None:
    server = kept('exit_on = ["bad"]\n[services.bad]\nprogram = ["sh", "-c", "sleep 0.5; exit 3"]\nrestart = "never"')
    assert server.process.wait(20) == 1
    assert "bad: exit status 3; restart is 'never'" in server.log


def test_a_command_that_never_returns_is_left_and_the_service_can_be_restarted(reloaded: Callable[..., Server]) -> None:
    server = reloaded(systemstatus=SEED_SERVICE + "\n    def cmd_stuck(self):\n        import time; time.sleep(3600)\n")
    with server.connect() as connection:
        connection.sendall(b"systemstatus stuck\n")
        assert server.ask("hostname") == "mycomputerhostname\n"
        assert server.ask("restart systemstatus") == "systemstatus: running\n"
        assert connection.recv(1000) == b"*** systemstatus stuck: stopped while it ran\n"


def test_restarting_one_service_leaves_the_others_alone(server: Server, services: Path) -> None:
    write_service(
        services,
        "import os\nfrom smanager import SService\nclass Other(SService):\n    def cmd_pid(self): return os.getpid()",
        "other.py",
    )
    server.ask("restart")
    pid = server.ask("other pid")
    assert server.ask("restart systemstatus") == "systemstatus: running\n"
    assert server.ask("other pid") == pid
    assert server.ask("restart nobody") == "*** unknown service nobody; known: other, systemstatus\n"


SLOW = """
import time
from smanager import SService


class Slow(SService):
    def stop(self): time.sleep(3600)
"""


HOSTILE = """
from smanager import SService


class Hostile(SService):
    def cmd_ok(self): return "ok"
"""


@pytest.fixture
def hostile(start: Callable[..., Server], services: Path) -> Server:
    write_service(services, HOSTILE, "hostile.py")
    return start("--services", services)


def test_a_service_that_stops_slowly_keeps_no_other_from_its_restart(hostile: Server, services: Path) -> None:
    write_service(services, SLOW, "slow.py")
    hostile.ask("restart")
    with hostile.connect() as connection:
        connection.sendall(b"restart\n")
        wait_for(lambda: re.search("slow +stopping", hostile.ask("services")), "the stop to begin")
        wait_for(lambda: hostile.ask("hostname") == "mycomputerhostname\n", "the others to be back")
        assert re.search("slow +stopping", hostile.ask("services"))


TOGETHER = [f"sleeper-{number}" for number in range(10)]  # one by one they take most of their time to wait
CYCLES = 250
WARM_UP = 500  # fills all that is remembered of events and lives


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_starts_and_stops_grow_nothing(kept: Callable[..., Server]) -> None:
    server = kept("".join(SLEEPER.replace("sleeper", name) for name in [*TOGETHER, "other"]))  # which keeps the host
    is_in(server, "other", "running")

    def cycle(count: int) -> tuple[int, int]:
        """After so many starts and stops of each the memory of manager and host, and their descriptors."""
        names = " ".join(TOGETHER)
        with server.connect() as connection:
            answers = connection.makefile("r")
            for _ in range(count):
                connection.sendall(f"stop {names}\nstart {names}\n".encode())
                stopped = [answers.readline() for _ in TOGETHER]
                assert [line for line in stopped if ": stopped" not in line] == []
                assert sorted(answers.readline() for _ in TOGETHER) == [f"{name}: running\n" for name in TOGETHER]
        processes = [server.process.pid, *server.children()]
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in processes]
        descriptors = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in processes]
        return sum(pages) * resource.getpagesize(), sum(descriptors)

    looks = [cycle(WARM_UP), cycle(CYCLES), cycle(CYCLES)]
    growth = [later - earlier for (earlier, _), (later, _) in pairwise(looks)]
    assert min(growth) < 1_500_000, growth  # where threads met by chance, it has grown once
    assert looks[-1][1] - looks[0][1] <= 2
