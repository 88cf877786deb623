"""External programs as services, from the configuration and as classes, in the running program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SECONDS, SEED_SERVICE, Server, alive, is_in, wait_for, write_service
from tests.live.checks import pid_of
from tests.live.samples import SLEEPER


def test_all_programs_share_one_host(reloaded: Callable[..., Server]) -> None:
    server = reloaded("".join(SLEEPER.replace("sleeper", f"sleeper-{number}") for number in range(6)))
    for number in range(6):
        is_in(server, f"sleeper-{number}", "running")
    assert len(server.children()) == 1


def test_a_program_is_run_as_it_is_configured(kept: Callable[..., Server], directory: Path) -> None:
    (directory / "where").mkdir()
    (directory / "first.env").write_bytes(
        b"\xef\xbb\xbf# colours\r\nexport COLOUR='dark red' NAME=a#1b\r\nSIZE = 1 # x\r\n"
    )
    script = 'echo "$PWD|$COLOUR|$NAME|$SIZE|$(umask)|$(ulimit -n)|$(id -u)"; exec sleep 3600'
    server = kept(
        f"""
        [services.shown]
        program = ["sh", "-c", '{script}']
        directory = "where"
        env_files = ["first.env"]
        environment = {{ SIZE = "2" }}
        umask = "027"
        limits = {{ nofile = 77 }}
        user = "nobody"
        """
    )
    is_in(server, "shown", "running")
    nobody = 65534
    wait_for(lambda: "|" in server.ask("logs shown"), "the program's line")
    assert server.ask("logs shown").partition("shown: ")[2] == f"{directory}/where|dark red|a#1b|2|0027|77|{nobody}\n"


def test_numbers_and_names_a_home_directory_priority_and_limits(
    kept: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/usr")
    shown = "$PWD|$#|$1|$2|$(id -u)|$(id -g)|$(nice)|$(ulimit -S -c)|$(ulimit -H -n)"
    table = f"""
        [services.{{}}]
        program = ["~/bin/env", "sh", "-c", 'echo "{shown}"; exec sleep 3600', "sh", "", "~"]
        directory = "~/lib"
        user = {{}}
        group = {{}}
        nice = {{}}
        limits = {{{{ core = "unlimited", nofile = 77 }}}}
        """
    cases = [("a", 65534, '"0"', 5), ("b", '"65534"', '"root"', -1), ("c", 4242, 4243, 0), ("d", '"nobody"', 7, 19)]
    server = kept("".join(table.format(*case) for case in cases))
    for name, ids, nice in (("a", "65534|0", 5), ("b", "65534|0", -1), ("c", "4242|4243", 0), ("d", "65534|7", 19)):
        is_in(server, name, "running")
        wait_for(lambda: "|" in server.ask(f"logs {name}"), "the program's line")  # noqa: B023 - it is called here
        line = server.ask(f"logs {name}").partition(f"{name}: ")[2]
        assert line == f"/usr/lib|2||~|{ids}|{nice}|unlimited|77\n"


def test_a_real_time_signal_stops_and_an_end_by_a_signal_may_be_a_success(reloaded: Callable[..., Server]) -> None:
    script = (
        "import os, signal, time; "
        "signal.signal(signal.SIGRTMIN + 3, lambda *given: (os.write(1, b'told\\\\n'), os._exit(0))); "
        "os.write(1, b'up\\\\n'); [time.sleep(0.05) for _ in iter(int, 1)]"
    )
    server = reloaded(
        f"""
        [services.realtime]
        program = ["python3", "-c", "{script}"]
        stop_signal = "SIGRTMIN+3"
        ready_when = {{ output = "^up$" }}

        {SLEEPER}
        success_codes = [0, "SIGUSR1", "RTMIN+5"]
        restart = "on-failure"
        """
    )
    is_in(server, "realtime", "running")
    server.ask("stop realtime")
    assert server.ask("logs -n 1 realtime").endswith("realtime: told\n")
    for name in ("USR1", "SIGRTMIN+5"):
        server.ask("start sleeper")
        is_in(server, "sleeper", "running")
        assert server.ask(f"signal sleeper {name}") == ""
        is_in(server, "sleeper", "done")
        assert f"killed by SIG{name.removeprefix('SIG')}" in server.ask("status sleeper")
    server.ask("start sleeper")
    server.ask("signal sleeper USR2")
    server.wait_for_log("sleeper: killed by SIGUSR2; started again at once")


BAD = [
    ('program = ["no-such-program"]', "it cannot be started: there is no program no-such-program in /"),
    ('program = ["./no-such-program"]', "it cannot be started: ./no-such-program: no such file or directory"),
    (
        'program = ["./crlf"]',
        r"it cannot be started: the first line of /.*/crlf ends in CR LF, and should end in LF: '#!/bin/sh",
    ),
    ('program = ["./envcrlf"]', r"exit status 127; the first line of /.*/envcrlf ends in CR LF, and should end in LF"),
    ('program = ["./orphan"]', "it cannot be started: the interpreter of /.*/orphan, /no/such/sh, does not exist"),
    ('program = ["./envorphan"]', "exit status 127; the interpreter of /.*/envorphan, nosuch, is not in /"),
    ('program = ["./nameless"]', "it cannot be started: the first line of /.*/nameless should name an interpreter"),
    ('program = ["./data"]', "it cannot be started: /.*/data is neither a program for this machine nor a script "),
    ('program = ["./plain"]', r"it cannot be started: /.*/plain is not executable; `chmod \+x /.*/plain` makes it so"),
    (
        'program = ["true"]\nenv_files = ["large.env"]',
        "it cannot be started: its arguments have 5 bytes and its environ"
        "ment [0-9]+, of which LARGE has 140007; the system takes some [0-9]+ in all, and 131071 for each",
    ),
    (
        'program = ["true"]\nenv_files = ["missing.env"]',
        "it cannot be started: /.*/missing.env: no such file or directory",
    ),
    (
        'program = ["true"]\nenv_files = ["smanager.toml"]',
        "it cannot be started: /.*/smanager.toml: line 1 should be NAME=VALUE",
    ),
    (
        'program = ["true"]\ndirectory = "missing"',
        "it cannot be started: the setting directory, /.*/missing: no such file or directory",
    ),
    ('program = ["true"]\nuser = "no-such-user"', "it cannot be started: there is no user "),
    (
        'program = ["true"]\nlimits = { nofile = 1_000_000_000_000 }',
        "it cannot be started: its limits cannot be set: ",
    ),
    ('program = ["true"]\ngroup = "no-such-group"', "it cannot be started: there is no group no-such-group"),
    (
        'program = ["true"]\nuser = 4242',
        "it cannot be started: there is no user with number 4242, whose group it could",
    ),
    ('program = ["sh", "-c", "exit 3"]', "exit status 3"),
]
"""What is wrong with a program, and what `why` says of it."""


SCRIPTS = {
    "crlf": b"#!/bin/sh\r\necho\r\n",
    "envcrlf": b"#!/usr/bin/env python3\r\n",
    "orphan": b"#!/no/such/sh -e\n",
    "envorphan": b"#!/usr/bin/env nosuch\n",
    "nameless": b"#!\n",
    "data": b"\0\1\2",
}


@pytest.fixture(scope="module")
def bad(shared: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A manager with a program for each of the things that can be wrong with one."""
    files = tmp_path_factory.mktemp("files")
    for name, text in SCRIPTS.items():
        (files / name).write_bytes(text)
        (files / name).chmod(0o755)
    (files / "plain").write_text("#!/bin/sh\n")
    (files / "large.env").write_text(f"LARGE={'x' * 140_000}")
    table = "[services.bad-{}]\n{}\ngive_up_after = 2\n"
    return shared("".join(table.format(number, setting) for number, (setting, _) in enumerate(BAD)), files=files)


@pytest.mark.parametrize("number", range(len(BAD)), ids=[setting for setting, _ in BAD])
def test_a_program_that_cannot_be_started_says_why(bad: Server, number: int) -> None:
    name, (_, reason) = f"bad-{number}", BAD[number]
    is_in(bad, name, "failed")
    assert re.match(rf"{name} is failed \({reason}", bad.ask(f"why {name}"))


def test_ready_when_a_port_accepts_and_hung_when_it_does_not_any_more(
    reloaded: Callable[..., Server], free_port: int
) -> None:
    port = free_port
    script = (
        "import os, socket, time; time.sleep(0.3); "
        f"s = socket.create_server(('127.0.0.1', {port})); open('up', 'w').close(); "
        "[time.sleep(0.05) for _ in iter(lambda: os.path.exists('close'), True)]; s.close(); os.unlink('close'); "
        "time.sleep(3600)"
    )
    probe = f"{{ port = {port}, interval = 0.1 }}"
    server = reloaded(
        f'[services.web]\nprogram = ["python3", "-c", """{script}"""]\nready_when = {probe}\nalive_when = {probe}'
    )
    is_in(server, "web", "running")
    assert Path("up").exists()
    Path("close").touch()
    server.wait_for_log(rf"web: hung: port {port}: connection refused, 3 times in a row; started again at once")


def test_line_ends_of_windows_and_a_byte_order_mark_mean_nothing(reloaded: Callable[..., Server]) -> None:
    table = """
        [services.windows]
        program = ["sh", "-c", "printf 'up\\\\r\\\\n'; exec sleep 3600"]
        ready_when = { output = "^up$" }
        """
    server = reloaded("\ufeff" + table.replace("\n", "\r\n"))
    is_in(server, "windows", "running")


def test_ready_when_a_command_succeeds(kept: Callable[..., Server]) -> None:
    server = kept(SLEEPER + 'ready_when = { command = ["test", "-e", "ready"], interval = 0.05 }')
    is_in(server, "sleeper", "starting")
    Path("ready").touch()
    is_in(server, "sleeper", "running")


def test_a_probe_runs_where_and_as_whom_its_program_does(kept: Callable[..., Server]) -> None:
    probe = """["sh", "-c", 'test "$PWD" = /usr && test "$COLOUR" = red && test "$(id -un)" = nobody']"""
    server = kept(
        SLEEPER
        + f"""directory = "/usr"
        environment = {{ COLOUR = "red" }}
        user = "nobody"
        ready_when = {{ command = {probe}, interval = 0.1 }}"""
    )
    is_in(server, "sleeper", "running")


def test_a_probe_that_takes_too_long_leaves_nothing_behind(kept: Callable[..., Server]) -> None:
    mark = f"{10_000_000 + os.getpid()}.5"
    server = kept(
        SLEEPER + f'alive_when = {{ command = ["sh", "-c", "sleep {mark}; true"], timeout = 0.5, failures = 1 }}'
    )
    is_in(server, "sleeper", "running")
    wait_for(lambda: f"sleep {mark}" in subprocess.getoutput("ps -eo args="), "the probe")
    server.wait_for_log("did not end within 0.5 s")
    server.stop()
    assert f"sleep {mark}" not in subprocess.getoutput("ps -eo args=").splitlines()


def test_a_program_that_prints_nothing_any_more_is_hung(reloaded: Callable[..., Server]) -> None:
    server = reloaded(
        '[services.ticks]\nprogram = ["sh", "-c", "for i in 1 2 3 4 5 6; do echo tick; sleep 0.1; done; sleep 3600"]\n'
        'alive_when = { output = "tick", interval = 0.3, failures = 2 }'
    )
    server.wait_for_log("ticks: hung: it printed no matching line, 2 times in a row; started again at once")


STUBBORN = """
[services.stubborn]
program = ["sh", "-c", "trap '' TERM; (while :; do sleep 1; done) & echo $!; while :; do sleep 1; done"]
ready_when = { output = "^[0-9]+$" }
stop_timeout = 0.3
"""


def test_a_stop_ends_the_whole_group_however_stubborn(reloaded: Callable[..., Server]) -> None:
    server = reloaded(STUBBORN)
    is_in(server, "stubborn", "running")
    leader, child = pid_of(server, "stubborn"), int(server.ask("logs -n 1 stubborn").split()[-1])
    assert server.ask("stop stubborn").startswith("stubborn: stopped")
    assert not alive(leader)
    assert not alive(child)


SIGNALLED = """
[services.forking]
program = ["sh", "-c", '''
    (while [ ! -e ending ]; do sleep 0.05; done; echo the worker has finished) &
    trap "echo told to read again" HUP; trap ": >ending" TERM; echo up; wait $!; wait $!; wait $!''']
ready_when = { output = "up" }
stop_timeout = 60

[services.leaving]
program = ["sh", "-c", '''
    (trap ": >told; exit" TERM; while :; do sleep 0.05; done) >/dev/null 2>&1 &
    trap exit TERM; echo up; while :; do sleep 0.05; done''']
ready_when = { output = "up" }
stop_timeout = 60

[services.scripted]
program = ["sh", "-c", "trap 'echo cleaned up; exit' TERM; trap 'echo told' HUP; echo up; sleep 3600; sleep 3601"]
ready_when = { output = "up" }
stop_timeout = 60
stop_signal_to = "group"
"""


def test_signals_go_to_the_main_process_or_to_the_whole_group_as_configured(reloaded: Callable[..., Server]) -> None:
    server = reloaded(SIGNALLED)
    for name in ("forking", "leaving", "scripted"):
        is_in(server, name, "running")
    shell = pid_of(server, "scripted")
    wait_for(lambda: subprocess.getoutput(f"ps -o comm= --ppid {shell}") == "sleep", "what the script waits for")
    assert server.ask("signal forking HUP") == server.ask("signal scripted HUP") == ""
    server.wait_for_log("forking: told to read again$")
    server.wait_for_log("scripted: told$")
    server.ask("stop all")
    server.wait_for_log("forking: the worker has finished$")
    assert Path("told").exists()
    server.wait_for_log("scripted: cleaned up$")


def test_the_stop_signal_is_the_one_configured(reloaded: Callable[..., Server]) -> None:
    script = "trap 'echo interrupted; exit 0' INT; echo up; while :; do sleep 0.05; done"
    server = reloaded(
        f'[services.polite]\nprogram = ["sh", "-c", "{script}"]\n'
        'stop_signal = "SIGINT"\nready_when = { output = "up" }'
    )
    is_in(server, "polite", "running")
    server.ask("stop polite")
    assert server.ask("logs -n 1 polite").endswith("polite: interrupted\n")


def test_a_signal_is_sent_to_the_program(reloaded: Callable[..., Server]) -> None:
    server = reloaded(
        '[services.told]\nprogram = ["sh", "-c", "trap \'echo told\' HUP; echo up; while :; do sleep 0.05; done"]\n'
        'ready_when = { output = "up" }'
    )
    is_in(server, "told", "running")
    assert server.ask("signal told hup") == ""
    server.wait_for_log("told: told$")
    assert server.ask("signal told NOTHING").startswith("*** signal: signal is 'NOTHING', and should be ")


def test_programs_end_with_a_manager_that_is_killed(kept: Callable[..., Server]) -> None:
    server = kept(SLEEPER)
    is_in(server, "sleeper", "running")
    pid = pid_of(server, "sleeper")
    server.process.kill()
    wait_for(lambda: not alive(pid), "the program to end")


def test_programs_end_with_a_host_that_is_killed_and_are_started_once(reloaded: Callable[..., Server]) -> None:
    server = reloaded(SLEEPER)
    is_in(server, "sleeper", "running")
    pid = pid_of(server, "sleeper")
    os.kill(server.children()[0], signal.SIGKILL)
    wait_for(lambda: not alive(pid), "the program to end")
    is_in(server, "sleeper", "running")
    assert alive(pid_of(server, "sleeper"))


PROGRAM_CLASS = """
import os
from smanager import Program


class Sleeper(Program):
    \"\"\"Sleeps, and says for how long\"\"\"
    program = ["sleep", "3600"]
    stop_timeout = 2

    def cmd_seconds(self):
        return self.program[1]
"""


def test_a_program_may_be_a_class_with_commands(reloaded: Callable[..., Server]) -> None:
    server = reloaded('[services.sleeper]\nenvironment = { A = "1" }', sleeper=PROGRAM_CLASS)
    is_in(server, "sleeper", "running")
    assert server.ask("sleeper seconds") == "3600\n"
    assert Path(f"/proc/{pid_of(server, 'sleeper')}/cmdline").read_bytes() == b"sleep\x003600\0"
    assert b"A=1\0" in Path(f"/proc/{pid_of(server, 'sleeper')}/environ").read_bytes()


def test_bytes_that_are_no_text_and_lines_without_end_are_logged(reloaded: Callable[..., Server]) -> None:
    script = "printf 'caf\\\\xe9\\\\n'; head -c 20000 /dev/zero | tr '\\\\0' x; printf 'last'"
    server = reloaded(f'[services.odd]\nprogram = ["sh", "-c", """{script}"""]\nrestart = "never"')
    is_in(server, "odd", "done")
    log = server.ask("logs -n 10 odd")
    assert "odd: caf\\xe9\n" in log
    pieces = [line.partition("odd: ")[2] for line in log.splitlines()[1:]]
    assert [len(piece.removesuffix(" [cut]")) for piece in pieces] == [8192, 8192, 20004 - 2 * 8192]
    assert [piece.endswith(" [cut]") for piece in pieces] == [True, True, False]
    assert log.endswith("last\n")


def test_a_flood_of_output_keeps_nobody_from_its_answer(reloaded: Callable[..., Server]) -> None:
    server = reloaded('[services.flood]\nprogram = ["yes", "a long line of output, again and again and again"]')
    is_in(server, "flood", "running")
    for _ in range(10):
        assert "flood" in server.ask("status")
    assert server.ask("stop flood").startswith("flood: stopped")


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


def test_a_program_too_large_to_be_started_is_told_of_and_harms_no_other(
    kept: Callable[..., Server], directory: Path
) -> None:
    server = kept(SLEEPER)
    is_in(server, "sleeper", "running")
    pid = pid_of(server, "sleeper")
    large, part = "x" * 2_500_000, "x" * 100_000
    many = "".join(f"V{number} = '{part}'\n" for number in range(25))  # of strings like this one, TOML is read fast
    for setting, problem in [
        (f"environment = {{ A = '{large}' }}", "environment is {'A': 'xxx"),
        (f"program = ['true', '{large}']", "program is ['true', 'xxx"),
        (f"[services.large.environment]\n{many}", "environment has 2500"),
        (f"[services.large.options]\n{many}", "options has 2500"),
        ("options = { when = 2026-01-01 }", "options is {'when': datetime.date(2026, 1, 1)}, and should have only val"),
    ]:
        own = setting if setting.startswith("program") else f'program = ["true"]\n{setting}'
        (directory / "smanager.toml").write_text(f"{SLEEPER}[services.large]\n{own}")
        answer = server.ask("reload")
        assert answer.startswith(f"*** reload: {directory}/smanager.toml: [services.large] {problem}")
        assert len(answer) < 500
    for number in range(25):  # each is allowed, and all of them are not
        (directory / f"{number}.env").write_text(f"V{number}={part}")
    files = [f"{number}.env" for number in range(25)]
    (directory / "smanager.toml").write_text(f'{SLEEPER}[services.large]\nprogram = ["true"]\nenv_files = {files}')
    server.ask("reload")
    wait_for(lambda: "its environment 25" in server.ask("why large"), "the reason")
    write_service(
        directory / "services",
        "from smanager import SService\nclass Big(SService):\n    options = {'a': 'x' * 4_300_000}",
    )
    assert "the description of its services has 43" in server.ask("reload")
    assert pid_of(server, "sleeper") == pid


EVIL = """
[services.evil]
program = ["sh", "-c", "sleep 0.3; echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!; exec sleep 3600"]
KEY = { output = "^(a+)+$" }
give_up_after = 1
"""


@pytest.mark.parametrize("key", ["ready_when", "alive_when"])
def test_a_pattern_that_takes_for_ever_hurts_its_own_service_only(reloaded: Callable[..., Server], key: str) -> None:
    server = reloaded(SLEEPER + EVIL.replace("KEY", key))
    is_in(server, "sleeper", "running")
    pid = pid_of(server, "sleeper")
    is_in(server, "evil", "failed")
    sentence = f"{key}: the pattern '^(a+)+$' takes more than 1 s of CPU time for what the program printed"
    assert f"hung: {sentence}" in server.ask("why evil")
    assert pid_of(server, "sleeper") == pid
    assert server.ask("services sleeper") == "sleeper  running\n"
