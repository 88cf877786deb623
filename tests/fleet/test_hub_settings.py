"""The configuration of a hub's NATS server, as text and as a NATS server reads it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smanager.fleet.enrolled import EnrolledNode, EnrolledUser, HubRecord
from smanager.fleet.hub_settings import nats_settings
from tests.conftest import SECONDS

PROBE, ALICE, KIOSK7 = ("U" + 55 * letter for letter in "ABC")
RECORD = HubRecord("0.0.0.0:4222", ("tls://hub.example:4222",), "server.pem", "/etc/hub.key", "ca.pem", {}, {}, {})
MEMBERS = RECORD._replace(
    users={"alice": EnrolledUser(ALICE, ("operate",))},
    nodes={"kiosk7": EnrolledNode(KIOSK7, {"site": "lab3"})},
)


def logins(text: str) -> dict[str, dict[str, object]]:
    users = [json.loads(line) for line in text.splitlines() if '"nkey"' in line]
    return {user["nkey"]: user["permissions"] for user in users}


def test_paths_start_at_the_hubs_directory() -> None:
    text = nats_settings(RECORD, Path("/srv/hub"), PROBE)
    assert re.findall(r'"(/[^"]*)"', text) == ["/srv/hub/nats.pid", "/srv/hub/server.pem", "/etc/hub.key"]
    assert text.startswith("# Do not edit: ")
    assert text.endswith('include "extra.conf"\n')


def test_without_members_only_the_probe_may_log_in_and_do_nothing() -> None:
    nothing = {"publish": {"deny": ">"}, "subscribe": {"deny": ">"}}
    assert logins(nats_settings(RECORD, Path("/hub"), PROBE)) == {PROBE: nothing}


def test_each_member_may_do_what_it_has_to() -> None:
    found = logins(nats_settings(MEMBERS, Path("/hub"), PROBE))
    assert list(found) == [PROBE, ALICE, KIOSK7]
    assert "smanager.alice.>" in str(found[ALICE]["publish"])
    assert found[KIOSK7]["publish"] == ["smanager-reply.*.*.kiosk7"]
    assert "smanager.*.label.site.lab3" in str(found[KIOSK7]["subscribe"])


@pytest.mark.parametrize("name", ["hub", "a hub", 'a "hub"', "back\\slash", "höb", "$HOME", "a'b", "#hub"])
def test_a_nats_server_reads_the_configuration_whatever_the_directory_is_called(tmp_path: Path, name: str) -> None:
    program = shutil.which("nats-server") or shutil.which("nats-server", path=str(Path(sys.executable).parent))
    if not program:
        pytest.skip("no nats-server")
    hub = tmp_path / name
    hub.mkdir()
    record = MEMBERS._replace(certificate=str(tmp_path / "missing.pem"))
    for file, text in (("nats.conf", nats_settings(record, hub, PROBE)), ("extra.conf", "")):
        (hub / file).write_text(text)
    checked = subprocess.run(
        [program, "-t", "-c", str(hub / "nats.conf")], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert "error parsing X509 certificate/key pair" in checked.stderr  # all before that line is right
    assert str(tmp_path / "missing.pem") in checked.stderr
