"""`smanager fleet` as it is typed, without a running hub."""

from __future__ import annotations

import json
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from smanager import cli
from smanager.fleet.administration import DEFAULT_LISTEN, is_about_hub


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(line: str) -> int:
    return cli.main(["fleet", *line.split()])


def refused(line: str, capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that says why a command is not carried out."""
    with suppress(SystemExit):  # of argparse
        assert typed(line) == 1
    printed = capfd.readouterr().err
    assert printed.count("\n") == 1
    return printed


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def record() -> Any:
    return json.loads(Path("hub/fleet.json").read_text())


def test_a_new_hub_says_what_to_type_next(capfd: pytest.CaptureFixture[str], here: Path) -> None:
    assert typed("init --name hub.example") == 0
    assert capfd.readouterr().out == (
        "hub is the hub of tls://hub.example:4222. What to type next:\n"
        "  nats-server -c hub/nats.conf\n"
        "  smanager fleet add-user NAME --roles operate\n"
        "  smanager fleet add-node NAME -l site=SITE\n"
    )
    assert stat.S_IMODE((here / "hub").stat().st_mode) == 0o700
    assert stat.S_IMODE((here / "hub" / "fleet.json").stat().st_mode) == 0o600
    assert record()["listen"] == DEFAULT_LISTEN


def test_a_hub_elsewhere_is_named_in_what_to_type_next(capfd: pytest.CaptureFixture[str]) -> None:
    assert typed("init --name a.example --name 2001:db8::1 --listen [::]:4300 other") == 0
    said = capfd.readouterr().out
    assert said.startswith("other is the hub of tls://a.example:4300, tls://[2001:db8::1]:4300. ")
    assert said.count(" --hub other\n") == 2


def test_a_hub_may_have_a_certificate_already(here: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (here / name).write_text(name)
    assert typed("init --name hub.example --cert cert.pem --key key.pem") == 0
    assert (record()["certificate"], record()["ca"]) == (str(here / "cert.pem"), "")
    assert names_in(here / "hub") == ["extra.conf", "fleet.json", "nats.conf"]
    assert typed("add-user alice") == 0
    assert sorted(path.name for path in here.glob("alice*")) == ["alice.nk", "alice.toml"]


def test_the_authority_of_a_certificate_is_carried_to_members(here: Path) -> None:
    for name in ("cert.pem", "key.pem", "root.pem"):
        (here / name).write_text(name)
    assert typed("init --name hub.example --cert cert.pem --key key.pem --ca root.pem") == 0
    assert typed("add-node kiosk7") == 0
    assert (here / "kiosk7" / "ca.pem").read_text() == "root.pem"


def test_members_are_listed_and_their_seeds_stay_nowhere(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for line in ("init --name h", "add-user alice --roles operate,web", "add-node kiosk7 -l site=lab3 -l role=kiosk"):
        assert typed(line) == 0
    capfd.readouterr()
    assert typed("list") == 0
    assert capfd.readouterr().out == "alice\tuser\toperate,web\nkiosk7\tnode\tsite=lab3,role=kiosk\n"
    for seed in ((here / "alice.nk").read_text(), (here / "kiosk7" / "seed.nk").read_text()):
        assert not [path for path in (here / "hub").iterdir() if seed.strip() in path.read_text()]


def test_later_nodes_know_earlier_users_and_earlier_nodes_have_to_be_told(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for line in ("init --name h", "add-user alice --roles operate", "add-node kiosk7"):
        assert typed(line) == 0
    assert 'roles = { alice = ["operate"] }' in (here / "kiosk7" / "fleet.toml").read_text()
    assert "roles in [fleet]" not in capfd.readouterr().out
    assert typed("add-user bob") == 0
    assert 'roles in [fleet] of the nodes that are there already need: bob = ["view"]\n' in capfd.readouterr().out


def test_who_is_removed_is_gone_from_the_servers_configuration_too(capfd: pytest.CaptureFixture[str]) -> None:
    for line in ("init --name h", "add-user alice", "add-node kiosk7"):
        assert typed(line) == 0
    keys = [record()["users"]["alice"]["key"], record()["nodes"]["kiosk7"]["key"]]
    capfd.readouterr()
    for name, key in zip(("alice", "kiosk7"), keys, strict=True):
        assert key in Path("hub/nats.conf").read_text()
        assert typed(f"remove {name}") == 0
        assert key not in Path("hub/nats.conf").read_text()
        assert "was found; one that starts, or is sent SIGHUP, takes the change\n" in capfd.readouterr().out
    assert (record()["users"], record()["nodes"]) == ({}, {})


def test_a_site_gets_lines_for_its_own_hub_and_stays_until_a_restart(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for line in ("init --name a.example --name 2001:db8::1", "add-user alice", "add-site lab3", "list"):
        assert typed(line) == 0
    assert capfd.readouterr().out.endswith("\nlab3\tsite\t\n")
    lines = (here / "lab3.conf").read_text()
    assert 'urls: ["tls://a.example:7422", "tls://[2001:db8::1]:7422"]' in lines
    assert 'tls { ca_file: "hub/lab3-ca.pem" }' in lines
    assert (here / "lab3-ca.pem").read_bytes() == (here / "hub" / "ca.pem").read_bytes()
    assert '"_INBOX_alice.>"' in (here / "hub" / "nats.conf").read_text()
    assert typed("remove lab3") == 0
    assert capfd.readouterr().out.endswith("\nlab3 stays connected until nats-server is restarted\n")


def test_what_was_changed_in_the_record_by_hand_is_taken(here: Path) -> None:
    assert typed("init --name h") == 0
    assert typed("add-node kiosk7 -l site=lab3") == 0
    file = here / "hub" / "fleet.json"
    file.write_text(file.read_text().replace("lab3", "lab4"))
    (here / "hub" / "extra.conf").write_text("# mine\n")
    assert typed("reload") == 0
    assert "smanager.*.label.site.lab4" in (here / "hub" / "nats.conf").read_text()
    assert (here / "hub" / "extra.conf").read_text() == "# mine\n"


MISTAKES = [
    ("init", "exists already; a hub should have a new directory"),
    ("init a/b", "b: no such file or directory"),
    (
        "init new --name a_,b",
        "the hub has the name 'a_,b', and should have one such as hub.example; --name gives ",
    ),
    ("init new --name *", "the hub has the name '*', "),
    ("init new --listen 4222", "listen is '4222', and should be an address and a port such as 0.0.0.0:4222"),
    ("init new --cert missing.pem", "a certificate needs both --cert and --key"),
    ("init new --ca missing.pem", "a certificate needs both --cert and --key"),
    ("init new --cert missing.pem --key missing.pem", "missing.pem: no such file or directory"),
    ("list --hub missing", "missing: no such file or directory; `smanager fleet init` makes a hub"),
    ("list --hub .", "is not a hub; `smanager fleet init` makes one, and --hub names another one"),
    ("add-user alice --hub .", "is not a hub; "),
    ("add-user alice", "alice is enrolled already; `smanager fleet remove alice` revokes it"),
    ("add-node alice", "alice is enrolled already; "),
    ("add-user taken", "taken.nk exists already; move it, or work in another directory"),
    ("add-node a.b", "'a.b' should be at most 64 letters, digits, - and _"),
    ("add-node kiosk8 -l site", "'site' should be KEY=VALUE, each of at most 64 letters, digits, - and _"),
    ("add-node kiosk8 -l site=*", "'site=*' should be KEY=VALUE"),
    ("add-node kiosk8 -l site=a -l site=b", "a label has two values, and should have one"),
    ("remove bob", "bob is not enrolled; enrolled: alice"),
]


def test_mistakes_are_told_in_one_line_and_change_nothing(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert typed("init --name h") == 0
    assert typed("add-user alice") == 0
    (here / "taken.nk").touch()
    before = record()
    names = names_in(here)
    for line, message in MISTAKES:
        assert message in refused(line, capfd), line
    assert record() == before
    assert names_in(here) == names


@pytest.mark.parametrize("text", ["", "{", "[]", 100_000 * "["])
def test_a_record_that_is_not_one_is_told_with_its_file(
    here: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    assert typed("init --name h") == 0
    (here / "hub" / "fleet.json").write_text(text)
    assert f"smanager: {here}/hub/fleet.json: " in refused("list", capfd)


def test_a_missing_package_is_told_with_what_to_install(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nkeys", None)
    assert refused("init", capfd) == "smanager: keys need the package nkeys: pip install 'smanager-shell[fleet]'\n"
    assert not Path("hub").exists()


@pytest.mark.parametrize(
    ("words", "is_own"),
    [([], False), (["show"], False), (["nodes"], False), (["init"], True), (["remove", "x"], True), (["--help"], True)],
)
def test_what_is_not_about_a_hub_is_for_the_service_of_that_name(words: list[str], is_own: bool) -> None:
    assert is_about_hub(words) is is_own
