"""`reload` does what has changed, and touches nothing else."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SEED_SERVICE, Server, alive, is_in, read_until, wait_for, write_service
from tests.live.checks import pid_of
from tests.live.clients import smanager

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


@pytest.fixture(scope="module")
def manager(shared: Callable[..., Server]) -> Server:
    return shared(TWO, systemstatus=SEED_SERVICE)


@pytest.fixture
def two(manager: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A manager of two programs and a file, which a reload brings back to that after whatever a test did to them."""
    monkeypatch.chdir(manager.directory)
    shutil.rmtree("services")
    write_service(Path("services"), SEED_SERVICE)
    reconfigure(TWO)
    manager.ask("reload")
    manager.ask("start one two systemstatus")
    assert manager.ask("reload") == "nothing has changed\n"
    manager.forget_log()
    return all_running(manager)


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
        "two: starting (waits for one, which is not enabled)",
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
        ("x = ", "*** reload: {}/smanager.toml: "),
        (
            "[services.one]\nprogram = 5",
            "*** reload: {}/smanager.toml: [services.one] program is 5, and should be a list of",
        ),
        ("servicse = 1", "*** reload: {}/smanager.toml: there is no setting 'servicse'; did you mean services?"),
        (TWO + 'after = ["two"]', "*** reload: {}/smanager.toml: [services.two] dependency cycle: two → two"),
        (
            TWO + '[services.systemstatus]\ndirectory = "x"',
            "*** reload: {}/smanager.toml: [services.systemstatus] directory is for programs",
        ),
    ],
)
def test_a_wrong_file_changes_nothing(two: Server, text: str, message: str) -> None:
    pids = [pid_of(two, name) for name in ("one", "two", "systemstatus")]
    reconfigure(text)
    assert two.ask("reload").startswith(message.format(two.directory))
    assert [pid_of(two, name) for name in ("one", "two", "systemstatus")] == pids


def test_sighup_reloads_and_the_log_says_what_that_did(two: Server) -> None:
    reconfigure(TWO.replace("services.two", "services.three"))
    two.process.send_signal(signal.SIGHUP)
    two.wait_for_log("reload: three: running")
    reconfigure("x =")
    two.process.send_signal(signal.SIGHUP)
    two.wait_for_log("reload: /.*/smanager.toml: .*; everything is as it was")
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


def test_the_keys_at_the_root_are_looked_at_too(kept: Callable[..., Server]) -> None:
    two = kept(TWO)
    reconfigure("exit_on = ['two']\naudit = 'on'" + TWO + 'restart = "never"\n')
    assert two.ask("reload").splitlines() == [
        "change two: other restart",
        "change exit_on: it has changed",
        "note audit: it has changed, and counts from the manager's next start on",
    ]
    two.ask("signal two KILL")
    wait_for(lambda: two.process.poll() == 1, "the manager's end")


WRONG = [
    (
        '[services."my app"]\nprogram = ["true"]',
        "[services.my app] the service's name is 'my app'; should be one word ",
    ),
    ('[services.status]\nprogram = ["true"]', "[services.status] the name status is a command of the manager; "),
    ('[services.systemstatus]\nprogram = ["true"]', "[services.systemstatus] program is for programs"),
    (
        "[services.systemstauts]\nlog_files = 5",
        "[services.systemstauts] there is no service systemstauts; did you mean ",
    ),
    (
        '[services.three]\nprogram = ["true"]\nneeds = ["tow"]',
        "[services.three] waits for tow: there is no service tow; ",
    ),
    (
        '[services.three]\nprogram = ["true"]\nafter = ["oen"]',
        "[services.three] waits for oen: there is no service oen; ",
    ),
    ('[services.three]\nprogram = ["true"]\nwatchdog = 5', "[services.three] watchdog is for services with a class"),
    ('[services.three]\nprogram = ["true"]\nenv_files = ["no.env"]', "no.env: no such file or directory"),
    (
        '[services.three]\nprogram = ["true"]\nenv_files = ["smanager.toml"]',
        "smanager.toml: line 3 should be NAME=VALUE",
    ),
    ("[services.three]\nprogram = []\numask = 5", "[services.three] umask is 5, and should be "),
    ('[listeners.lan]\nunix = "s"\nroles = ["none"]', "[listeners.lan] there is no role none; "),
    ("[listeners.wan]\nmode = 5", "[listeners.wan] mode is 5, and should be "),
    ("[roles.admin]", "[roles.admin] is a built-in role; "),
]
"""What is wrong with a configuration, and what is said of it."""


def test_all_that_is_wrong_is_named_and_nothing_is_changed(two: Server) -> None:
    pids = [pid_of(two, name) for name in ("one", "two", "systemstatus")]
    services = two.ask("services")
    mended = TWO + "\n[services.four]\nprogram = ['sleep', '3600']\n[roles.more]\nallow = ['one.*']\n"
    for text, problem in WRONG:
        reconfigure(f"exit_on = ['nine']\n{mended}{text}")
        for command in ("reload --dry-run", "reload"):
            answer = two.ask(command)
            assert answer.startswith("*** reload: ")
            assert answer.count("\n") == 1
            assert problem in answer
            assert "exit_on: there is no service nine" in answer
    reconfigure(
        TWO.partition("[services.two]")[2].replace("3600", "3601").join(["[services.two]\nneeds = ['one']", ""])
    )
    assert "[services.two] waits for one: there is no service one" in two.ask("reload")
    assert two.ask("services") == services
    assert [pid_of(two, name) for name in ("one", "two", "systemstatus")] == pids


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "port = 70000\nprot = 5\n[services.a]\nneds = 5\nprogram = ['true']\n[services.b]\nprogram = ['true']\n"
            "needs = ['a', 'c']\nenv_files = ['no.env']\n[listeners.a]\n[listeners.lan]\ntcp = '127.0.0.1:0'\n"
            "tls = { certificate = 'broken.pem' }\n",
            [
                "port is 70000",
                "there is no setting 'prot'",
                "[services.a] there is no setting 'neds'",
                "[services.b] waits for c: there is no service c",
                "no.env: no such file or directory",
                "[listeners.a] has no address",
                "[listeners.lan] ",
            ],
        ),
        (
            "services_dirs = ['none', 'nor']\n[services.a]\nwatchdog = 'x'\nlog_files = 0\n[services.b]\nneeds = 5\n"
            "[roles.view]\n[listeners.a]\n[listeners.b]\nunix = 's'\n[listeners.c]\nunix = 's'\n",
            [
                "none does not exist",
                "nor does not exist",
                "[services.a] watchdog is 'x'",
                "[services.a] log_files is 0",
                "[services.b] needs is 5",
                "[roles.view] is a built-in role",
                "[listeners.a] has no address",
            ],
        ),
        (
            "[services.'my app']\nprogram = ['true']\n[services.kill]\nprogram = ['true']\n[services.b]\n"
            "program = ['true']\nneeds = ['c']\nenv_files = ['no.env']\n"
            "[listeners.lan]\ntcp = '127.0.0.1:0'\ntls = { certificate = 'broken.pem' }\n",
            [
                "the service's name is 'my app'",
                "the name kill is a command",
                "waits for c: there is no service c",
                "no.env: no such file or directory",
                "[listeners.lan] ",
            ],
        ),
    ],
)
def test_a_check_names_all_that_is_wrong(directory: Path, text: str, problems: list[str]) -> None:
    (directory / "broken.pem").touch(0o600)
    reconfigure(text)
    check = smanager("--check", cwd=directory)
    assert check.returncode == 1
    assert [problem for problem in problems if problem not in check.stdout + check.stderr] == []
    assert "no service a;" not in check.stdout


def test_what_was_wrong_before_stops_nothing(kept: Callable[..., Server]) -> None:
    server = kept(TWO + "needs = ['three']\n")
    is_in(server, "one", "running")
    reconfigure(TWO + "needs = ['three']\n[services.four]\nprogram = ['sleep', '3600']\n")
    assert "start four: it is new" in server.ask("reload")


def test_a_change_in_a_file_of_variables_is_a_change(kept: Callable[..., Server], directory: Path) -> None:
    file = directory / "one.env"
    file.write_text("A=1\n")
    configuration = TWO.replace("[services.two]", 'env_files = ["one.env"]\n[services.two]')
    server = kept(configuration)
    is_in(server, "one", "running")
    is_in(server, "two", "running")
    pids = [pid_of(server, name) for name in ("one", "two")]
    file.unlink()
    file.write_text("A=1\n")  # another file with the same text
    assert server.ask("reload") == "nothing has changed\n"
    file.write_text("A=2\n")
    assert server.ask("reload --dry-run") == "restart one: its env_files have changed\n"
    assert server.ask("reload").splitlines() == ["restart one: its env_files have changed", "one: running"]
    assert pid_of(server, "one") != pids[0]
    assert pid_of(server, "two") == pids[1]
    assert b"A=2\0" in Path(f"/proc/{pid_of(server, 'one')}/environ").read_bytes()
    file.write_text("A=3\n")
    server.ask("restart one")  # reads the file
    assert server.ask("reload") == "nothing has changed\n"
    pid = pid_of(server, "one")
    file.write_text("A\n")
    reconfigure(configuration + 'restart = "never"\n')
    assert (
        server.ask("reload")
        == f"*** reload: [services.one] {file}: line 1 should be NAME=VALUE, or a comment after #\n"
    )
    assert pid_of(server, "one") == pid
    file.write_text("A=4\n")
    server.ask("stop one")
    assert server.ask("reload") == "change two: other restart\n"


def test_a_configuration_whose_link_is_switched_restarts_nothing(directory: Path, start: Callable[..., Server]) -> None:
    """As Kubernetes mounts a ConfigMap: each file is a link through `..data`, which is switched to a new directory."""
    service = "from smanager import SService\nclass Steady(SService): pass\n"
    configuration = 'services_dirs = ["code"]\n[services.one]\nprogram = ["sleep", "3600"]\nenv_files = ["one.env"]\n'

    def mount(version: str, configuration: str) -> None:
        (directory / version / "code").mkdir(parents=True)
        (directory / version / "smanager.toml").write_text(configuration)
        (directory / version / "one.env").write_text("A=1")
        (directory / version / "code" / "steady.py").write_text(service)
        (directory / "..new").symlink_to(version)
        (directory / "..new").rename(directory / "..data")

    mount("..1", configuration)
    for name in ("smanager.toml", "one.env", "code"):
        (directory / name).symlink_to(f"..data/{name}")
    server = start("--config", "smanager.toml")
    is_in(server, "one", "running")
    is_in(server, "steady", "running")
    pids = [pid_of(server, name) for name in ("one", "steady")]
    mount("..2", configuration)
    shutil.rmtree("..1")
    assert server.ask("reload") == "nothing has changed\n"
    assert [pid_of(server, name) for name in ("one", "steady")] == pids
    assert Path(f"/proc/{pids[0]}/cwd").resolve() == directory
    mount("..3", configuration.replace("3600", "3601"))
    assert server.ask("reload").splitlines()[0] == "restart one: other program"


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
def test_a_reload_in_the_middle_of_a_transition_ends_where_it_should(two: Server, delay: float) -> None:
    slow = (
        '[services.{0}]\nprogram = ["sh", "-c", "trap \'sleep 0.2; exit 0\' TERM; sleep 0.2; echo up; while :; do '
        'sleep 0.05; done"]\nready_when = {{ output = "up" }}\n'
    )
    reconfigure(slow.format("one") + slow.format("two") + 'needs = ["one"]\n')
    assert two.ask("reload").endswith("two: running\n")
    with two.connect() as connection:
        connection.sendall(b"restart one\n")
        time.sleep(delay)
        reconfigure(slow.format("one").replace("0.05", "0.06") + slow.format("three"))
        two.ask("reload")
        is_in(two, "one", "running")
        is_in(two, "three", "running")
        assert re.findall(r"^\w+", two.ask("services"), re.MULTILINE) == ["one", "systemstatus", "three"]
        assert not two.find("Traceback|internal error")


BROKEN = {
    "cannot be imported": "import no_such_module\n",
    "has an unknown annotation": "from smanager import SService\nclass Bad(SService):\n"
    "    def cmd_a(self, x: 'Nonsense'): pass\n",
    "has a wrong setting": "from smanager import SService\nclass Bad(SService):\n    restart = 'sometimes'\n",
    "needs what is missing": "from smanager import SService\nclass Bad(SService):\n    needs = ['goodd']\n",
}
GOOD = "from smanager import SService\nclass {}(SService): pass\n"


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_with_problems_is_named_alike_everywhere_and_blocks_no_other(
    kept: Callable[..., Server], directory: Path, kind: str
) -> None:
    server = kept()
    write_service(directory / "services", BROKEN[kind], "bad.py")
    write_service(directory / "services", GOOD.format("Good"), "good.py")
    *done, refusal = server.ask("reload").splitlines()
    assert "good: running" in done
    problem = refusal.removeprefix("*** reload: ")
    assert problem.startswith(f"{directory / 'services' / 'bad.py'}: ")
    assert problem in server.ask("services").splitlines()
    write_service(directory / "services", GOOD.format("More"), "more.py")
    assert server.ask("reload") == "load more.py: it is new\nmore: running\n", "what was wrong before blocks nothing"
    server.stop()
    assert kept().find(re.escape(problem))
    check = smanager("--check", "--services", str(directory / "services"), cwd=directory)
    assert problem in check.stdout.splitlines()
