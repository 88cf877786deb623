"""What a new member of a fleet is given."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from smanager.config.file import read_file
from smanager.fleet.carried import files_of_node, files_of_user, role_entry, write_new
from smanager.fleet.enrolled import EnrolledNode, EnrolledUser, HubRecord
from smanager.fleet.hub import HubError
from smanager.fleet.user import hub_user

RECORD = HubRecord(
    "0.0.0.0:4222",
    ("tls://hub.example:4222", "tls://[2001:db8::1]:4222"),
    "server.pem",
    "server.key",
    "ca.pem",
    {"alice": EnrolledUser("U", ("operate",)), "bob": EnrolledUser("U", ("view", "web ops"))},
    {"kiosk7": EnrolledNode("U", {"site": "lab3", "role": "kiosk"}), "bare": EnrolledNode("U", {})},
    {},
)


@pytest.mark.parametrize("before", ["", "max_sessions = 5", "[services.web]\nprogram = ['true']\n"])
@pytest.mark.parametrize("ca", ["CA", ""])
@pytest.mark.parametrize("node", ["kiosk7", "bare"])
def test_the_table_for_a_node_goes_into_any_configuration(tmp_path: Path, node: str, ca: str, before: str) -> None:
    write_new(files_of_node(node, RECORD, "SEED", ca), tmp_path)
    configuration = tmp_path / "smanager.toml"
    configuration.write_text(before + (tmp_path / node / "fleet.toml").read_text())
    table = tomllib.loads(configuration.read_text())["fleet"]
    assert table == {
        "servers": list(RECORD.servers),
        "name": node,
        "labels": dict(RECORD.nodes[node].labels),
        "credentials": f"{node}/seed.nk",
        **({"ca": f"{node}/ca.pem"} if ca else {}),
        "roles": {"alice": ["operate"], "bob": ["view", "web ops"]},
    }
    assert (tmp_path / table["credentials"]).read_text() == "SEED\n"
    assert not ca or (tmp_path / table["ca"]).read_text() == ca


def test_a_manager_takes_the_table(tmp_path: Path) -> None:
    record = RECORD._replace(users={"alice": EnrolledUser("U", ("operate",))})
    files = files_of_node("kiosk7", record, "SEED", "CA")
    (tmp_path / "smanager.toml").write_text(files["kiosk7/fleet.toml"])
    assert not read_file(tmp_path / "smanager.toml").problems


@pytest.mark.parametrize("ca", ["CA", ""])
def test_the_prompt_takes_a_users_file(tmp_path: Path, ca: str) -> None:
    write_new(files_of_user("alice", RECORD, "SEED", ca), tmp_path)
    user = hub_user(str(tmp_path / "alice.toml"))
    assert (user.name, user.access.servers) == ("alice", RECORD.servers)
    assert user.access.credentials == tmp_path / "alice.nk"
    assert user.access.ca == (tmp_path / "alice-ca.pem" if ca else None)


def test_only_their_owner_may_read_the_files(tmp_path: Path) -> None:
    write_new(
        {**files_of_node("kiosk7", RECORD, "SEED", "CA"), **files_of_user("alice", RECORD, "SEED", "CA")}, tmp_path
    )
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "kiosk7").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["alice.toml", "alice.nk", "alice-ca.pem"])
def test_nothing_is_replaced_and_nothing_is_begun(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(HubError, match=f"{name} exists already; move it, or work in another directory$"):
        write_new(files_of_user("alice", RECORD, "SEED", "CA"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_other_nodes_should_say_of_a_user() -> None:
    assert tomllib.loads(role_entry("bob", ("view", "web ops"))) == {"bob": ["view", "web ops"]}
