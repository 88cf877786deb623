"""What happens to processes: killed, stopped, crashed, flooding, in every state; each time with what survives it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import SECONDS, SEED_SERVICE, Server, alive, is_in, read_until, wait_for
from tests.live.test_programs import SLEEPER, pid_of

GONE_SECONDS = 2.0
"""Within which nothing may be left of the services of a manager that was killed."""

MARK = str(10_000_000 + os.getpid())
"""What the programs here sleep for, by which those of this run are found."""

STATES = f"""
[services.starting]
program = ["sleep", "{MARK}"]
ready_when = {{ output = "never" }}

[services.running]
program = ["sleep", "{MARK}"]

[services.backoff]
program = ["sh", "-c", "sleep 0.05; exit 1"]

[services.stopping]
program = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep {MARK}; done"]
ready_when = {{ output = "up" }}
stop_timeout = 3600
"""


def sleepers() -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.rstrip().endswith(f"sleep {MARK}")]


def test_a_killed_manager_leaves_nothing_in_any_state_and_the_next_starts_each_once(
    kept: Callable[..., Server], directory: Path
) -> None:
    server = kept(STATES, systemstatus=SEED_SERVICE)
    is_in(server, "stopping", "running")
    is_in(server, "running", "running")
    with server.connect() as connection:
        connection.sendall(b"stop stopping\n")
        is_in(server, "stopping", "stopping")
        is_in(server, "backoff", "backoff")
        processes = [*server.children(), *(int(line.split()[0]) for line in sleepers())]
        server.process.kill()
        server.process.wait()
    deadline = time.monotonic() + GONE_SECONDS
    while any(map(alive, processes)):
        assert time.monotonic() < deadline, subprocess.getoutput("ps -ef")
        time.sleep(0.02)
    assert not sleepers()
    server = kept(STATES)
    is_in(server, "running", "running")
    is_in(server, "starting", "starting")
    assert len(sleepers()) == 2  # `stopping` was told to stop


HELD = """
import ctypes, subprocess
from smanager import SService


class Held(SService):
    def start(self):
        subprocess.Popen(["sh", "-c", "trap '' TERM; sleep {mark}; sleep {mark}"])
    def cmd_hold(self):
        print("holds")
        ctypes.PyDLL(None).sleep(60)
"""


@pytest.mark.parametrize("how", ["leaves a child", "holds the interpreter", "is stopped"])
def test_a_killed_manager_leaves_no_host_that_cannot_end_itself(kept: Callable[..., Server], how: str) -> None:
    server = kept(STATES.partition("[services.backoff]")[0], held=HELD.format(mark=MARK))
    is_in(server, "held", "running")
    is_in(server, "running", "running")
    processes = [*server.children(), *(int(line.split()[0]) for line in sleepers())]
    with server.connect() as connection:
        if how == "holds the interpreter":
            connection.sendall(b"held hold\n")
            server.wait_for_log("held: holds")
        elif how == "is stopped":
            for host in server.children():
                os.kill(host, signal.SIGSTOP)
        server.process.kill()
        server.process.wait()
    deadline = time.monotonic() + GONE_SECONDS + 1  # a busy machine is slow
    while any(map(alive, processes)) or sleepers():
        assert time.monotonic() < deadline, subprocess.getoutput("ps -ef")
        time.sleep(0.02)


def test_a_crash_in_the_host_is_named_by_its_signal(kept: Callable[..., Server]) -> None:
    crash = "\n    def cmd_crash(self):\n        import ctypes\n        ctypes.string_at(0)\n"
    server = kept(systemstatus=SEED_SERVICE + crash)
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


def test_a_fork_bomb_is_bounded_by_its_limit(kept: Callable[..., Server]) -> None:
    bomb = f"while :; do sleep {MARK} & done"
    server = kept(f'[services.bomb]\nprogram = ["sh", "-c", "{bomb}"]\nuser = "nobody"\nlimits = {{ nproc = 30 }}')
    is_in(server, "bomb", "running")
    server.wait_for_log("bomb: .*(annot fork|temporarily unavailable)")
    assert "bomb: stopped (by " in server.ask("stop bomb")
    assert not sleepers()


def test_a_command_that_never_returns_is_left_and_the_service_can_be_restarted(kept: Callable[..., Server]) -> None:
    server = kept(systemstatus=SEED_SERVICE + "\n    def cmd_stuck(self):\n        import time; time.sleep(3600)\n")
    with server.connect() as connection:
        connection.sendall(b"systemstatus stuck\n")
        assert server.ask("hostname") == "mycomputerhostname\n"
        assert server.ask("restart systemstatus") == "systemstatus: running\n"
        assert connection.recv(1000) == b"*** systemstatus stuck: stopped while it ran\n"


def test_a_flood_of_output_keeps_nobody_from_its_answer(kept: Callable[..., Server]) -> None:
    server = kept('[services.flood]\nprogram = ["yes", "a long line of output, again and again and again"]')
    is_in(server, "flood", "running")
    for _ in range(20):
        assert "flood" in server.ask("status")
    assert server.ask("stop flood").startswith("flood: stopped")


def test_a_disk_that_is_full_loses_lines_and_nothing_else(kept: Callable[..., Server], directory: Path) -> None:
    server = kept('[services.writer]\nprogram = ["sh", "-c", "while :; do echo line; sleep 0.01; done"]\n' + SLEEPER)
    is_in(server, "writer", "running")
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100, 100))
    wait_for(lambda: "lines of writer could not be written to its file" in server.ask("logs -n 1 writer"), "the count")
    os.kill(pid_of(server, "sleeper"), signal.SIGKILL)
    server.wait_for_log("sleeper: killed by SIGKILL; started again at once")
    assert server.ask("stop writer").startswith("writer: stopped")


def test_without_descriptors_a_start_fails_with_the_reason_and_is_tried_again(kept: Callable[..., Server]) -> None:
    server = kept(systemstatus=SEED_SERVICE)
    with server.connect() as connection:  # while it still can be accepted
        connection.sendall(b"hostname\n")
        connection.recv(100)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (5, 20_000))
        os.kill(server.children()[0], signal.SIGKILL)
        server.wait_for_log("systemstatus: no process can be started for it: .*Too many open files; started again in")
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (20_000, 20_000))
    is_in(server, "systemstatus", "running")


def test_a_clock_that_jumps_moves_no_decision(directory: Path, start: Callable[..., Server]) -> None:
    jumping = (
        "import sys, time; real = time.time; "
        "time.time = lambda: real() + (3e7 if int(real() * 10) % 2 else -3e7); "
        "sys.argv = sys.argv[:1] + ['--port', '0', '--services', 'services', '--state-dir', 'state']; "
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
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


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.3, 0.6])
def test_a_reload_in_the_middle_of_a_transition_ends_where_it_should(
    kept: Callable[..., Server], directory: Path, delay: float
) -> None:
    slow = (
        '[services.{0}]\nprogram = ["sh", "-c", "trap \'sleep 0.2; exit 0\' TERM; sleep 0.2; echo up; while :; do '
        'sleep 0.05; done"]\nready_when = {{ output = "up" }}\n'
    )
    server = kept(slow.format("one") + slow.format("two") + 'needs = ["one"]\n')
    with server.connect() as connection:
        connection.sendall(b"restart one\n")
        time.sleep(delay)
        (directory / "smanager.toml").write_text(slow.format("one").replace("0.05", "0.06") + slow.format("three"))
        server.ask("reload")
        is_in(server, "one", "running")
        is_in(server, "three", "running")
        assert re.findall(r"^\w+", server.ask("services"), re.MULTILINE) == ["one", "three"]
        assert not server.find("Traceback|internal error|a mistake in SManager")


def test_a_crash_is_mended_and_status_answers_among_idle_and_garbage_connections(kept: Callable[..., Server]) -> None:
    server = kept(SLEEPER, systemstatus=SEED_SERVICE)
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


CYCLES = 10_000
WARM_UP = 100


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_starts_and_stops_grow_nothing(kept: Callable[..., Server]) -> None:
    server = kept(SLEEPER + SLEEPER.replace("sleeper", "other"))  # the other one keeps the host
    is_in(server, "other", "running")

    def cycle(count: int) -> tuple[int, int]:
        """After so many starts and stops the memory of manager and host, and their descriptors."""
        with server.connect() as connection:
            answers = connection.makefile("rb")
            for _ in range(count):
                connection.sendall(b"stop sleeper\nstart sleeper\n")
                assert answers.readline().startswith(b"sleeper: stopped")
                assert answers.readline() == b"sleeper: running\n"
        processes = [server.process.pid, *server.children()]
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in processes]
        descriptors = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in processes]
        return sum(pages) * resource.getpagesize(), sum(descriptors)

    memory, descriptors = cycle(WARM_UP)
    later_memory, later_descriptors = cycle(CYCLES)
    assert later_memory - memory < 3_000_000
    assert later_descriptors - descriptors <= 2


NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"
"""One that others than root can read."""


def system_python_is_new() -> bool:
    script = "import sys; sys.exit(sys.version_info < (3, 11))"
    return Path(SYSTEM_PYTHON).exists() and subprocess.call([SYSTEM_PYTHON, "-c", script]) == 0


@pytest.mark.skipif(
    os.getuid() != 0 or not system_python_is_new(),
    reason=f"only root can run the manager as somebody else, and that with a {SYSTEM_PYTHON} of 3.11 or newer",
)
def test_where_no_process_may_be_made_the_reason_is_told_and_it_is_tried_again(directory: Path) -> None:
    for path in (directory, directory / "services"):
        os.chown(path, NOBODY, NOBODY)
    (directory / "services" / "systemstatus.py").write_text(SEED_SERVICE)
    root = Path(__file__).parents[2]
    as_nobody = (
        f"import os, resource, signal, sys; sys.path.insert(0, {str(root)!r}); import smanager.cli; "
        f"os.setgid({NOBODY}); os.setuid({NOBODY}); "
        "limit = lambda soft: resource.setrlimit(resource.RLIMIT_NPROC, (soft, 1000)); "
        "signal.signal(signal.SIGURG, lambda *_: [limit(0), print('limited', file=sys.stderr, flush=True)]); "
        "signal.signal(signal.SIGWINCH, lambda *_: limit(1000)); "
        "sys.argv = ['smanager', '--port', '0', '--services', 'services']; "
        "sys.exit(smanager.cli.main())"
    )
    for parent in directory.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)  # pytest's own are for root alone
    server = Server(command=[SYSTEM_PYTHON, "-c", as_nobody])
    try:
        server.process.send_signal(signal.SIGURG)
        server.wait_for_log("limited")
        os.kill(server.children()[0], signal.SIGKILL)
        server.wait_for_log(
            "systemstatus: no process can be started for it: .*temporarily unavailable; started again in"
        )
        server.process.send_signal(signal.SIGWINCH)
        is_in(server, "systemstatus", "running")
    finally:
        server.stop()


def test_listening_sockets_are_taken_from_systemd(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_UNIX) as local:
        local.bind("local")
        local.listen()
        port = listening.getsockname()[1]
        script = (
            f"import os, sys; os.dup2({local.fileno()}, 20); os.dup2({listening.fileno()}, 3); os.dup2(20, 4); "
            "os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid())); "
            f"sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
            "sys.argv = ['smanager', '--services', 'services', '--state-dir', 'state']; "
            "from smanager.cli import main; sys.exit(main())"
        )
        descriptors = [listening.fileno(), local.fileno()]
        server = Server(command=[sys.executable, "-c", script], pass_fds=descriptors)
    assert server.port == port
    assert server.ask("help -s").startswith("TOP:")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("local")
        connection.sendall(b"help -s\n")
        assert read_until(connection, b"\n").startswith(b"TOP:")
    assert server.stop() == 0


def test_systemd_is_told_of_the_readiness_and_the_end(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind("notify")
        notified.settimeout(SECONDS)
        os.environ["NOTIFY_SOCKET"] = str(directory / "notify")
        os.environ["WATCHDOG_USEC"] = "200000"
        try:
            server = Server("--services", "services", "--state-dir", "state")
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        said = [notified.recv(1000) for _ in range(5)]
        assert f"READY=1\nSTATUS=listening on 127.0.0.1:{server.port}".encode() in said
        assert said.count(b"WATCHDOG=1") >= 3
        server.process.send_signal(signal.SIGHUP)
        while not said[-1].startswith(b"RELOADING=1\nMONOTONIC_USEC="):
            said.append(notified.recv(1000))
        server.stop()
        while said[-1] != b"STOPPING=1":
            said.append(notified.recv(1000))


def test_signals_are_forwarded_to_the_programs(kept: Callable[..., Server]) -> None:
    script = "trap 'echo told' USR1; echo up; while :; do sleep 0.05; done"
    told = SLEEPER.replace('["sleep", "3600"]', f'["sh", "-c", "{script}"]')
    server = kept(told + 'ready_when = { output = "up" }\n', systemstatus=SEED_SERVICE)
    is_in(server, "sleeper", "running")
    server.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: "sleeper: told" in server.ask("logs sleeper"), "the signal")
    assert server.ask("hostname") == "mycomputerhostname\n"
    server.process.send_signal(signal.SIGQUIT)
    assert server.process.wait(SECONDS) == 0


def test_orphans_of_services_are_reaped(kept: Callable[..., Server]) -> None:
    orphan = (
        '[services.parent]\nprogram = ["sh", "-c", "(setsid sh -c \'echo orphan $$; sleep 0.3\' &); exec sleep 3600"]'
    )
    server = kept(orphan)
    pid = int(server.wait_for_log(r"parent: orphan (\d+)").group(1))
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the orphan to be gone, and no zombie")
