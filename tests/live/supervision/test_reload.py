"""`reload` does what has changed, and touches nothing else."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SEED_SERVICE, Server, alive, is_in, read_until, wait_for, write_service
from tests.live.checks import pid_of

TWO = """
[services.one]
program = ["sleep", "3600"]

[services.two]
program = ["sleep", "3600"]
"""


def reconfigure(text: str) -> None:
    Path("smanager.toml").write_text(text)


def all_running(server: Server) -> Server:
    for name in ("one", "two", "systemstatus"):
        is_in(server, name, "running")
    return server


@pytest.fixture
def two(kept: Callable[..., Server]) -> Server:
    return all_running(kept(TWO, systemstatus=SEED_SERVICE))


@pytest.fixture(scope="module")
def unchanged(shared: Callable[..., Server]) -> Server:
    """A manager for tests whose reloads change nothing."""
    return all_running(shared(TWO, systemstatus=SEED_SERVICE))


def test_where_nothing_has_changed_nothing_is_done(two: Server) -> None:
    pids = [pid_of(two, name) for name in ("one", "two", "systemstatus")]
    assert two.ask("reload") == "nothing has changed\n"
    assert [pid_of(two, name) for name in ("one", "two", "systemstatus")] == pids


def test_only_what_has_changed_is_restarted(two: Server) -> None:
    one, other = pid_of(two, "one"), pid_of(two, "two")
    reconfigure(TWO.replace('one]\nprogram = ["sleep", "3600"]', 'one]\nprogram = ["sleep", "3601"]'))
    assert two.ask("reload --dry-run") == "restart one: other program\n"
    assert pid_of(two, "one") == one
    assert two.ask("reload").splitlines() == ["restart one: other program", "one: running"]
    assert pid_of(two, "one") != one
    assert pid_of(two, "two") == other


def test_a_policy_is_changed_without_a_restart(two: Server) -> None:
    pid = pid_of(two, "two")
    reconfigure(TWO + 'restart = "never"\n')
    assert two.ask("reload") == "change two: other restart\n"
    assert pid_of(two, "two") == pid
    two.ask("signal two KILL")
    is_in(two, "two", "failed")


def test_programs_come_and_go(two: Server) -> None:
    one = pid_of(two, "one")
    reconfigure(TWO.replace("services.two", "services.three"))
    assert sorted(two.ask("reload").splitlines()) == [
        "remove two: it is not configured any more",
        "start three: it is new",
        "three: running",
    ]
    assert re.findall(r"^\w+", two.ask("services"), re.MULTILINE) == ["one", "systemstatus", "three"]
    assert pid_of(two, "one") == one


def test_files_come_change_and_go(two: Server) -> None:
    added = write_service(Path("services"), "from smanager import SService\nclass Extra(SService): pass\n", "extra.py")
    assert two.ask("reload").splitlines() == ["load extra.py: it is new", "extra: running"]
    write_service(Path("services"), SEED_SERVICE.replace("12 days", "13 days"))
    assert two.ask("reload").splitlines() == ["load systemstatus.py: it has changed", "systemstatus: running"]
    assert " 13 days" in two.ask("systemstatus uptime")
    added.unlink()
    assert two.ask("reload") == "remove extra: its file is gone\n"
    assert "extra" not in two.ask("services")


def test_a_class_that_moves_or_goes_is_followed(two: Server) -> None:
    empty = "from smanager import SService\nclass Other(SService): pass\n"
    write_service(Path("services"), empty)
    write_service(Path("services"), SEED_SERVICE, "zz_moved.py")
    two.ask("reload")
    is_in(two, "systemstatus", "running")
    is_in(two, "other", "running")
    assert two.ask("hostname") == "mycomputerhostname\n"
    (Path("services") / "zz_moved.py").unlink()
    two.ask("reload")
    assert re.findall(r"^\w+", two.ask("services"), re.MULTILINE) == ["one", "other", "two"]


def test_what_is_disabled_stops_and_what_is_enabled_starts(two: Server) -> None:
    reconfigure(TWO + "enabled = false\n")
    assert two.ask("reload") == "stop two: it is not enabled\n"
    is_in(two, "two", "stopped")
    reconfigure(TWO)
    assert two.ask("reload").splitlines() == ["start two: it is enabled", "two: running"]


def test_what_needs_a_service_that_goes_stops_with_it_and_waits(two: Server) -> None:
    needy = TWO.replace("[services.two]", '[services.two]\nneeds = ["one"]')
    reconfigure(needy)
    assert two.ask("reload") == "change two: other needs\n"
    pid = pid_of(two, "two")
    reconfigure(needy.replace("[services.one]", "[services.one]\nenabled = false"))
    assert two.ask("reload").splitlines() == [
        "stop one: it is not enabled",
        "restart two: it needs what is stopped, or shares its process",
        "two: starting (waits for one)",
    ]
    assert not alive(pid)
    reconfigure(needy)
    two.ask("reload")
    is_in(two, "two", "running")


def test_what_somebody_has_stopped_is_not_started_by_a_file(two: Server) -> None:
    two.ask("stop two")
    reconfigure(TWO + "enabled = false\n")
    assert two.ask("reload") == "stop two: it is not enabled\n"
    reconfigure(TWO)
    assert two.ask("reload") == "change two: it is enabled, but stays stopped, because a user stopped it\n"
    is_in(two, "two", "stopped")


def test_who_waits_for_a_service_that_goes_is_told(two: Server) -> None:
    with two.connect() as connection:
        connection.sendall(b"wait two failed\n")
        reconfigure(TWO.partition("[services.two]")[0])
        two.ask("reload")
        assert read_until(connection, b"\n") == b"*** wait: two no longer exists\n"


def test_a_file_is_other_for_whoever_runs_what_it_was(two: Server) -> None:
    pair = "from smanager import SService\nclass Left(SService): pass\nclass Right(SService): pass\n"
    write_service(Path("services"), pair, "pair.py")
    reconfigure(TWO + "[services.left]\nhost = 'own'")
    two.ask("reload")
    is_in(two, "left", "running")
    is_in(two, "right", "running")
    write_service(Path("services"), pair + "# other\n", "pair.py")
    two.ask("restart left")
    assert two.ask("reload").splitlines()[0] == "load pair.py: it has changed"
    assert two.ask("reload") == "nothing has changed\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "*** reload: smanager.toml: "),
        (
            "[services.one]\nprogram = 5",
            "*** reload: smanager.toml: [services.one] program is 5, and should be a list of",
        ),
        ("servicse = 1", "*** reload: smanager.toml: there is no setting 'servicse'; did you mean services?"),
        (TWO + 'after = ["two"]', "*** reload: smanager.toml: [services.two] dependency cycle: two → two"),
        (
            TWO + '[services.systemstatus]\ndirectory = "x"',
            "*** reload: smanager.toml: [services.systemstatus] directory is for programs",
        ),
    ],
)
def test_a_wrong_file_changes_nothing(
    unchanged: Server, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(unchanged.directory)
    pids = [pid_of(unchanged, name) for name in ("one", "two", "systemstatus")]
    reconfigure(text)
    assert unchanged.ask("reload").startswith(message)
    assert [pid_of(unchanged, name) for name in ("one", "two", "systemstatus")] == pids


def test_sighup_reloads_and_the_log_says_what_that_did(two: Server) -> None:
    reconfigure(TWO.replace("services.two", "services.three"))
    two.process.send_signal(signal.SIGHUP)
    two.wait_for_log("reload: three: running")
    reconfigure("x =")
    two.process.send_signal(signal.SIGHUP)
    two.wait_for_log("reload: smanager.toml: .*; everything is as it was")
    assert two.ask("hostname") == "mycomputerhostname\n"


def test_a_file_that_does_not_load_is_tried_again_when_it_has_changed(two: Server) -> None:
    path = write_service(Path("services"), "oops = = 1\n", "extra.py")
    two.ask("restart")
    assert "extra.py: line 1: SyntaxError" in two.ask("services")
    assert two.ask("reload") == "nothing has changed\n"
    path.write_text("from smanager import SService\nclass Extra(SService): pass\n")
    two.ask("reload")
    wait_for(lambda: "extra         running" in two.ask("services"), "the mended file")
    assert "SyntaxError" not in two.ask("services")


@pytest.mark.parametrize("command", ["reload", "reload --dry-run"])
def test_a_file_that_is_broken_changes_nothing(two: Server, command: str) -> None:
    pid = pid_of(two, "systemstatus")
    path = write_service(Path("services"), SEED_SERVICE + "\nclass X(\n")
    reconfigure(TWO.replace("services.two", "services.three"))
    answer = two.ask(command)
    assert answer.startswith(f"*** reload: {path.resolve()}: line ")
    assert "SyntaxError" in answer
    assert pid_of(two, "systemstatus") == pid
    assert two.ask("hostname") == "mycomputerhostname\n"
    is_in(two, "two", "running")
    path.write_text(SEED_SERVICE + "    watchdog = 'often'\n")
    assert "watchdog is 'often', and should be a number of seconds" in two.ask(command)
    assert pid_of(two, "systemstatus") == pid


def test_what_has_failed_is_started_again_when_it_is_mended(two: Server) -> None:
    broken = TWO.replace('["sleep", "3600"]', '["no-such-program"]', 1) + 'needs = ["one"]\n'
    reconfigure(broken.replace("[services.one]", "[services.one]\ngive_up_after = 1"))
    two.ask("reload")
    is_in(two, "one", "failed")
    reconfigure(TWO + 'needs = ["one"]\n')
    two.ask("reload")
    is_in(two, "one", "running")
    is_in(two, "two", "running")


def test_the_keys_at_the_root_are_looked_at_too(two: Server) -> None:
    reconfigure("exit_on = ['two']\nport = 7" + TWO + 'restart = "never"\n')
    assert two.ask("reload").splitlines() == [
        "change two: other restart",
        "change exit_on: it has changed",
        "note port: it has changed, and counts from the manager's next start on",
    ]
    two.ask("signal two KILL")
    wait_for(lambda: two.process.poll() == 1, "the manager's end")


def test_names_that_nobody_has_are_told(two: Server) -> None:
    reconfigure('exit_on = ["tow"]' + TWO + 'after = ["oen"]\n[services.systemstauts]\nwatchdog = 5\n')
    answer = two.ask("reload")
    for problem in (
        "exit_on: there is no service tow; did you mean two?",
        "[services.two] waits for oen: there is no service oen; did you mean one?",
        "[services.systemstauts] there is no service systemstauts; did you mean systemstatus?",
    ):
        assert problem in answer
        assert problem in two.ask("services")


def test_a_configuration_that_comes_later_is_found(directory: Path, start: Callable[..., Server]) -> None:
    (directory / "services").mkdir(exist_ok=True)
    server = start("--services", "services", "--state-dir", "state")
    reconfigure(TWO)
    assert sorted(server.ask("reload").splitlines())[-2:] == ["start two: it is new", "two: running"]


def test_a_class_that_was_copied_lives_on_where_it_is_left(two: Server) -> None:
    write_service(Path("services"), SEED_SERVICE, "zz_copy.py")
    assert "the name systemstatus is used in" in two.ask("restart")
    (Path("services") / "systemstatus.py").unlink()
    two.ask("reload")
    is_in(two, "systemstatus", "running")


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
        assert not server.find("Traceback|internal error")
