"""Who may do what, asked of the running program through each listener, identity and face."""

from __future__ import annotations

import json
import os
import pwd
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smanager.access.secrets import hash_token
from smanager.access.users import Token, UsersFile
from tests.conftest import Server, ask_unix, read_to_end, read_until, wait_for
from tests.live.clients import smanager
from tests.live.security.clients import Telnet
from tests.live.security.conftest import PASSWORD, SERVICE, TOKENS, Network

ALLOWED = {
    "viewer": {"box look", "status"},
    "operator": {"box look", "box open", "box close", "ring", "shutdown", "status", "hidden secret"},
    "odd": {"box open", "ring", "status"},
    "root": {"box look", "box open", "box close", "box format", "ring", "shutdown", "status", "hidden secret"},
}
EVERY = sorted(set().union(*ALLOWED.values()))
DOORS = ("open", "locked", "tls", "local")


def method_of(command: str) -> str:
    return command.replace(" ", ".")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("user", ALLOWED)
def test_what_is_allowed_runs_and_all_else_is_as_if_it_did_not_exist(
    shared_network: Network, door: str, user: str
) -> None:
    allowed = ALLOWED[user] | ({"box look", "status"} if door == "open" else set())  # what everybody has there
    requests: list[dict[str, Any]] = [{"method": method_of(command)} for command in EVERY]
    extra: list[dict[str, Any]] = [
        {"method": "rpc.discover"},
        {"method": "shell.complete", "params": ["box "]},
        {"method": "nothing"},
    ]
    told = shared_network.call(door, *requests, *extra, token=TOKENS[user])
    answers, (discovered, completed, unknown) = told[: len(requests)], told[len(requests) :]
    methods = {method["name"] for method in discovered["result"]["methods"]}
    for command, answer in zip(EVERY, answers, strict=True):
        method = method_of(command)
        assert ("result" in answer) == (command in allowed), (command, answer)
        assert (method in methods) == (command in allowed)
        if command not in allowed:
            expected = {**unknown["error"], "message": unknown["error"]["message"].replace("nothing", method)}
            assert answer["error"] == expected
        if command.startswith("box "):
            assert (command.split()[1] in completed["result"]["matches"]) == (command in allowed)
    help_page = shared_network.ask(door, "help", "box help", "help -s", token=TOKENS[user])
    for command in EVERY:
        word = command.split()[-1]
        if command not in allowed:
            assert word not in help_page
            made_up = command.replace(word, "qqqq")
            said, of_unknown = shared_network.ask(door, command, made_up, token=TOKENS[user]).splitlines()
            assert re.sub(r"did you mean: [^?]*\? ", "", said).replace(word, "qqqq") == of_unknown
            assert said.count(word) == 1
        elif word != "status":
            assert f"{word}:" in help_page or "hidden" in help_page


SYSTEM_USERS = {"viewer": "daemon", "operator": "bin", "odd": "sys"}
"""Who comes by the unix socket in their place: the system has no users of their names."""


@pytest.mark.parametrize(
    ("door", "proof"), [*((door, "password") for door in DOORS), ("tls", "certificate"), ("local", "peer")]
)
@pytest.mark.parametrize("user", ALLOWED)
def test_roles_hold_whatever_it_is_that_shows_who_somebody_is(
    shared_network: Network, door: str, proof: str, user: str
) -> None:
    allowed = ALLOWED[user] | ({"box look", "status"} if door == "open" else set())
    requests: list[dict[str, Any]] = [{"method": method_of(command)} for command in EVERY]
    match proof:
        case "password":
            login = {"method": "auth", "params": {"user": user, "password": PASSWORD}}
            _, *answers = shared_network.call(door, login, *requests, {"method": "whoami"})
        case "certificate":
            answers = shared_network.call(door, *requests, {"method": "whoami"}, certificate=user)
        case _:
            answers = shared_network.call(door, *requests, {"method": "whoami"}, peer=peer(shared_network, user))
    *answers, who = answers
    assert who["result"]["proof"] == proof
    assert {command for command, answer in zip(EVERY, answers, strict=True) if "result" in answer} == allowed


def peer(network: Network, user: str) -> int:
    """Give a system's user the roles of one of ours, and way to the socket; returns its number."""
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    name = SYSTEM_USERS.get(user, user)
    with UsersFile(network.directory / "smanager-users.json").changed() as users:
        users[name] = users[user]._replace(name=name)
    for place in [network.directory, *network.directory.parents]:
        if place.stat().st_uid == 0 and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)
    (network.directory / "local.sock").chmod(0o666)
    return pwd.getpwnam(name).pw_uid


def test_a_role_may_be_for_one_service_and_restarting_all_is_for_admins(network: Network) -> None:
    assert network.ask("locked", "restart box", token=TOKENS["odd"]) == "box: running\n"
    for user in ("odd", "operator"):
        for line in ("restart all", "restart"):
            assert network.ask("locked", line, token=TOKENS[user]).startswith("*** restart: ")
    assert network.ask("locked", "restart hidden", token=TOKENS["odd"]) == ("*** unknown service hidden; known: box\n")
    assert "hidden: running" in network.ask("locked", "restart all", token=TOKENS["root"])
    for line in ("kill", "reload", "kick 1"):
        assert network.ask("locked", line, token=TOKENS["operator"]).startswith(
            f"*** unknown command: {line.split()[0]}"
        )


def test_what_a_service_waits_for_is_named_to_those_only_who_may_know_it(kept: Callable[..., Server]) -> None:
    server = kept(
        """
        [listeners.all]
        tcp = "127.0.0.1:0"
        [listeners.few]
        unix = "few.sock"
        permissions = "0666"
        roles = ["few"]
        [roles.few]
        allow = ["box.*", "status box", "why box", "start box", "wait box", "signal box"]
        [services.box]
        needs = ["hidden"]
        [services.hidden]
        enabled = false
        """,
        box=SERVICE,
    )
    wait_for(lambda: "box is starting (waits for hidden, which is not enabled)" in server.ask("why box"), "the need")
    lines = ["status box --json", "why box", "box open", "wait box running --timeout 0.1"]
    methods = [("status", []), ("why", [["box"]])]
    requests = [json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": given}) for name, given in methods]
    told = ask_unix("few.sock", "".join(f"{line}\n" for line in [*lines, *requests]))
    assert told.count("waits for others") == len(lines) + len(requests), told
    assert "hidden" not in told


def test_what_is_denied_of_a_service_hides_it_also_where_all_services_are_listed(kept: Callable[..., Server]) -> None:
    server = kept(
        """
        [listeners.all]
        tcp = "127.0.0.1:0"
        [listeners.few]
        unix = "few.sock"
        roles = ["few"]
        [roles.few]
        allow = ["services", "status", "box.*", "restart box"]
        deny = ["* hidden", "hidden.*"]
        [services.box]
        needs = ["lost"]
        """,
        box=SERVICE,
    )
    assert "hidden" in server.ask("services")
    told = ask_unix("few.sock", "services\nhelp\nhelp -s\nhidden\nstatus\nrestart box\n")
    assert told.count("hidden") == 1  # as an unknown command
    assert "*** unknown command: hidden;" in told


def test_what_looks_like_a_right_on_a_service_is_none_to_end_the_manager(kept: Callable[..., Server]) -> None:
    server = kept(
        """
        [listeners.all]
        tcp = "127.0.0.1:0"
        [listeners.few]
        unix = "few.sock"
        roles = ["few"]
        [roles.few]
        allow = ["kill box", "reload box", "kick 1", "status box", "events box"]
        """,
        box=SERVICE,
    )
    server.ask("restart box; stop hidden")
    *told, event = ask_unix("few.sock", "help -s\nkill\nreload\nkick 1\nevents -n 1\n").splitlines()
    assert re.match(r"COMMANDS: help status events whoami exit quit", told[2])
    unknown = [f"*** unknown command: {word}" for word in ("kill", "reload", "kick")]
    assert [line.split(";")[0] for line in told[3:]] == unknown
    assert " box: " in event  # the last one that it may know of
    assert "hidden: stopped" in server.ask("events -n 1")


def test_a_lesser_token_is_denied_what_its_user_is(network: Network) -> None:
    configuration = network.directory / "smanager.toml"
    configuration.write_text(configuration.read_text() + '[roles.nosecret]\ndeny = ["hidden.*", "* hidden"]\n')
    network.ask("default", "reload")
    with UsersFile(network.directory / "smanager-users.json").changed() as users:
        token = Token(hash_token("smt_lesser"), None, ("operate",))
        users["operator"] = users["operator"]._replace(roles=("operate", "nosecret"), token=token)
    assert network.ask("locked", "hidden secret", token="smt_lesser").startswith("*** unknown command: hidden")
    assert network.ask("locked", "box open; whoami", token="smt_lesser").endswith("; roles: operate\n")


def test_a_role_for_one_service_is_told_of_no_others_problems(kept: Callable[..., Server]) -> None:
    server = kept(
        """
        [listeners.all]
        tcp = "127.0.0.1:0"
        [listeners.few]
        unix = "few.sock"
        roles = ["few"]
        [roles.few]
        allow = ["restart web"]
        [services.ghost]
        enabled = false
        [services.web]
        program = ["sleep", "3600"]
        """,
        box=SERVICE,
    )
    assert "ghost" in server.ask("restart web")
    assert ask_unix("few.sock", "restart web\n") == "web: running\n"


@pytest.mark.parametrize(("line", "parameter"), [("cancel", "job"), ("kick", "session")])
def test_a_number_that_is_too_long_is_refused(shared_network: Network, line: str, parameter: str) -> None:
    assert shared_network.ask("default", f"{line} {'9' * 5000}").startswith(f"*** {line}: {parameter}: '999")


@pytest.mark.parametrize("door", ["locked", "tls", "local"])
def test_before_a_login_nothing_is_told(own_network: Network, door: str) -> None:
    def answer(text: str) -> bytes:
        with own_network.connect(door) as connection:
            connection.sendall(text.encode())
            return read_until(connection, b"\n")

    if door != "local":  # where the peer is root
        assert answer("help\n") == b"*** log in first with a line: auth TOKEN\n"
        refused = json.loads(answer('{"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}\n'))
        assert refused["error"] == {"code": -32002, "message": "log in first with the method auth"}
    assert answer("auth smt_wrong\n") == b"*** this token is not valid\n"
    assert answer(f"auth {TOKENS['late']}\n") == b"*** this token is not valid\n"


def test_a_program_logs_in_by_a_method(own_network: Network) -> None:
    for params in ({"token": TOKENS["viewer"]}, {"user": "viewer", "password": PASSWORD}):
        login, who = own_network.call("locked", {"method": "auth", "params": params}, {"method": "whoami"})
        assert login["result"] is None
        assert (who["result"]["user"], who["result"]["roles"]) == ("viewer", ["view"])
    wrong = {"method": "auth", "params": {"user": "viewer", "password": "x"}}
    (refused,) = own_network.call("locked", wrong)
    assert refused["error"] == {"code": -32002, "message": "the login is not valid"}


def test_the_system_says_who_a_peer_is_and_a_certificate_who_a_client(shared_network: Network) -> None:
    (who,) = shared_network.call("local", {"method": "whoami"})  # the tests' own user, or else root
    assert (who["result"]["user"], who["result"]["proof"]) == ("root", "peer")
    (who,) = shared_network.call("tls", {"method": "whoami"}, certificate="viewer")
    assert (who["result"]["user"], who["result"]["proof"]) == ("viewer", "certificate")
    with pytest.raises((OSError, ValueError)):
        shared_network.call("tls", {"method": "whoami"}, certificate="expired")


def test_a_person_logs_in_without_the_password_being_shown(own_network: Network) -> None:
    with own_network.connect("locked") as connection:
        person = Telnet(connection)
        person.log_in("viewer", "wrong")
        assert "wrong" not in person.expect("login incorrect\r\n")
        person.log_in("viewer", PASSWORD)
        shown = person.expect("\r\n>")
        assert PASSWORD not in shown
        assert "-box\r\n" in shown
        person.type("whoami\r")
        person.expect("by password; roles: view\r\n")


def test_keys_and_answers_of_the_terminal_are_no_part_of_a_login(shared_network: Network) -> None:
    noise = "\x1b]11;rgb:0/0/0\x1b\\\x1b[A\x1bP>|XTerm(390)\x1b\\\x1b[M !!"
    with shared_network.connect("locked") as connection:
        person = Telnet(connection)
        person.expect("login: ")
        person.type(f"{noise}vie{noise}weér\x7f\x7fr\r")
        assert person.expect("password: ").startswith("vieweér\b \b\b \br\r\n")
        person.type(f"{PASSWORD[:2]}{noise}{PASSWORD[2:]}{noise}\r")
        person.expect("\r\n>")


def test_a_person_logs_in_in_line_mode_too(own_network: Network) -> None:
    with own_network.connect("locked") as connection:
        connection.sendall(b"\xff\xfe\x01\xff\xfe\x03")  # who edits lines itself, and shows them
        read_until(connection, b"login: ")
        connection.sendall(b"viewer\r\0")
        assert b"\xff\xfb\x01" in read_until(connection, b"password: ")  # WILL ECHO: it shows no more
        connection.sendall(b"\xff\xfd\x01" + f"{PASSWORD}\r\0whoami\r\0".encode())
        shown = read_until(connection, b"by password; roles: view")
        assert b"\xff\xfc\x01" in shown  # WONT ECHO
        assert b"unknown" not in shown
    with own_network.connect("locked") as connection:
        connection.sendall(b"\xff\xfe\x01\xff\xfe\x03")
        read_until(connection, b"login: ")
        connection.sendall(b"viewer\r\0")
        read_until(connection, b"password: ")
        connection.sendall(b"\xff\xfd\x01" + b"wrong\r\0")
        assert read_until(connection, b"\r\n") == b"\r\n"  # nor is what is typed while it is looked at
        assert b"\xff\xfc\x01" in read_until(connection, b"login incorrect")
    with own_network.connect("locked") as connection:
        read_until(connection, b"login: ")  # on a raw connection, which no telnet option reaches
        connection.sendall(b"viewer\n")
        read_until(connection, b"password (your client shows it): ")


def test_three_tries_end_a_connection(own_network: Network) -> None:
    with own_network.connect("locked") as connection:
        person = Telnet(connection)
        for _ in range(3):
            person.log_in("nobody", "wrong")
            person.expect("login incorrect\r\n")
        assert person.is_closed()


@pytest.mark.parametrize("line", ["auth {}\rbox open\r", "\ufeffauth {}\r\n# a comment\r\nbox open\r\n"])
def test_a_login_may_have_what_editors_leave_in_a_script(shared_network: Network, line: str) -> None:
    with shared_network.connect("locked") as connection:
        connection.sendall(line.format(TOKENS["operator"]).encode())
        assert read_until(connection, b"\n") == b"opened\n"


def test_a_token_that_is_revoked_is_none_and_a_changed_user_has_to_log_in_again(own_network: Network) -> None:
    with own_network.connect("locked") as connection:
        connection.sendall(f"auth {TOKENS['operator']}\nbox open\n".encode())
        read_until(connection, b"opened\n")
        connection.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "box.open"}\n')  # stays, as a program
        read_until(connection, b"opened")
        assert smanager("token", "revoke", "operator", cwd=own_network.directory).returncode == 0
        assert own_network.ask("locked", "box open", token=TOKENS["operator"]) == "*** this token is not valid\n"
        assert "end the session of operator" in own_network.ask("locked", "reload", token=TOKENS["root"])
        wait_for(lambda: not connection.recv(1000), "the end of the session")


def test_a_session_ends_with_its_token(network: Network) -> None:
    file = UsersFile(network.directory / "smanager-users.json")
    with network.connect("locked") as connection:
        with file.changed() as users:
            expires = time.time() + 2
            users["viewer"] = users["viewer"]._replace(token=Token(hash_token("smt_short"), expires))
        connection.sendall(b"auth smt_short\nwait box failed\nstatus\n")
        wait_for(lambda: "wait" in network.ask("default", "jobs"), "the command")
        wait_for(lambda: time.time() > expires + 0.2, "the token's end, by the manager's clock too")
        network.ask("default", "cancel 1")
        assert b"*** your token has expired\n" in read_to_end(connection)
    assert not [one for one in network.audit() if one.get("name") == "status"]


def test_roles_change_with_a_reload_for_those_who_are_there(network: Network) -> None:
    with network.connect("locked") as connection:
        connection.sendall(f"auth {TOKENS['odd']}\n".encode())
        lines = connection.makefile("rb")
        for answer in ("unknown method box.close", "closed"):
            connection.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "box.close"}\n')
            assert answer in lines.readline().decode()
            text = (network.directory / "smanager.toml").read_text().replace('"*.close", ', "")
            (network.directory / "smanager.toml").write_text(text)
            network.ask("default", "reload")


def test_people_see_each_other_speak_and_can_be_sent_away(network: Network) -> None:
    with network.connect("locked") as connection:
        person = Telnet(connection)
        person.log_in("viewer", PASSWORD)
        person.expect("\r\n>")
        person.type("who\r")
        person.expect("*** unknown command: who; ")  # and no abbreviation of whoami
        person.expect("\r\n>")
        person.type("stat")
        network.ask("locked", "broadcast back at 12 \x1b[31m", token=TOKENS["root"])
        person.expect("[root] back at 12 \\x1b[31m\r\n>stat")
        person.type("\x15watch -n 0.1 status box\r")
        person.expect("every 0.1 s: status box")
        network.ask("locked", 'broadcast "back; really"', token=TOKENS["root"])
        for _ in range(3):
            person.expect("every 0.1 s: status box")  # each page wipes out what was there
            person.expect("[root] back; really\r\n")
        person.type("\x03")
        person.expect("\r\n>")
        (session,) = [one for one in json.loads(network.ask("default", "who --json")) if one["kind"] == "person"]
        assert session["user"] == "viewer"
        assert network.ask("default", f"kick {session['id']}") == ""
        person.expect("your session was ended by 127.0.0.1:")
        assert network.ask("default", "kick 1000000").startswith("*** kick: unknown session 1000000")


SPELLED = """
from smanager import SService, command

class Box(SService):
    def toplevel_cmd_shut_down(self): return "down"
    @command(role="night-shift", aliases=["go_up"])
    def cmd_wake_up(self): return "up"
"""


def test_dashes_and_underscores_are_one_in_roles_commands_and_methods(kept: Callable[..., Server]) -> None:
    server = kept(
        """
        [listeners.all]
        tcp = "127.0.0.1:0"
        [listeners.few]
        unix = "few.sock"
        roles = ["night_shift", "operate"]
        [roles.night-shift]
        deny = ["box.shut-down", "status my_app"]
        [services.my-app]
        program = ["sleep", "3600"]
        [services.my_app]
        program = ["sleep", "3600"]
        """,
        box=SPELLED,
    )
    for line in ("box shut-down", "box shut_down", "shut-down", "shut_down"):
        assert server.ask(line) == "down\n"
        assert ask_unix("few.sock", f"{line}\n").startswith("*** "), line
    for line in (
        "box wake-up",
        "box wake_up",
        "box go-up",
        "help box go-up",
        "my_app help",
        "restart my_app",
        "why my_*",
    ):
        assert not ask_unix("few.sock", f"{line}\n").startswith("*** "), line
    assert ask_unix("few.sock", "status my-app\n") == ask_unix("few.sock", "status my-xyz\n").replace("xyz", "app")
    for method in ("box.wake-up", "box.go-up", "box.wake_up"):
        assert json.loads(ask_unix("few.sock", f'{{"jsonrpc":"2.0","id":1,"method":"{method}"}}\n'))["result"] == "up"
    refused = json.loads(ask_unix("few.sock", '{"jsonrpc":"2.0","id":1,"method":"box.shut-down"}\n'))["error"]
    assert refused["message"] == "unknown method box.shut-down; rpc.discover lists the methods"
    assert '"name":"box shut-down","reason":"not allowed"' in (server.directory / "state" / "audit.jsonl").read_text()
    assert "the name my_app is used in" in server.ask("services")


def test_patterns_without_effect_are_told_at_the_start_by_check_and_by_reload(kept: Callable[..., Server]) -> None:
    configuration = """
        [roles.web]
        allow = ["box.shut-dwn", "box.*", "logs bxo", "off.*", "status off"]
        deny = ["*.format"]
        [runs]
        always = ["box.shut-dwn", "box.*", "off.*", "restart"]
        never = ["restart box", "*.format", "restart all"]
        [services.off]
        program = ["sleep", "3600"]
        enabled = false
        """
    server = kept(configuration, box=SPELLED)
    shut_down = "[roles.web] allow: 'box.shut-dwn' matches no command; did you mean 'box.shut_down'?"
    kept_down = "[runs] always: 'box.shut-dwn' matches no command; did you mean 'box.shut_down'?"
    expected = [shut_down, "allow: 'logs bxo' matches no command", "deny: '*.format' matches no command", kept_down]
    expected += [f"[runs] never: {name!r} matches no command" for name in ("restart box", "*.format", "restart all")]
    checked = smanager("--services", "services", "--check", cwd=server.directory)
    for told in (server.log, checked.stdout, server.ask("reload")):
        assert all(one in told for one in expected), told
        assert told.count("matches no command") == len(expected), told
    assert checked.returncode == 0
    (server.directory / "services" / "broken.py").write_text("import missing_module")
    checked = smanager("--services", "services", "--check", cwd=server.directory)
    assert [line for line in checked.stdout.splitlines() if "matches no" in line] == [
        f"{server.directory}/smanager.toml: {shut_down}",
        f"{server.directory}/smanager.toml: {kept_down}",
    ]


def test_for_whom_a_peer_acts_is_believed_of_relays_only_and_told_as_a_claim(kept: Callable[..., Server]) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    server = kept(
        f"""
        [listeners.all]
        tcp = "127.0.0.1:0"
        [listeners.relayed]
        unix = "relayed.sock"
        relays = ["daemon", "{me}"]
        [listeners.plain]
        unix = "plain.sock"
        [listeners.other]
        unix = "other.sock"
        relays = ["daemon"]
        """,
        box=SPELLED,
    )
    assert "claims to act for anna; roles: admin" in ask_unix("relayed.sock", "as anna\nwhoami\n")
    for path in ("plain.sock", "other.sock"):
        told = ask_unix(path, "as anna\nbox shut-down; whoami\n")
        assert told.startswith("down\n")
        assert "anna" not in told
    assert server.ask("as anna\nbox shut-down\n").startswith(
        "*** "
    )  # over TCP, the system tells nothing of the account
    journal = [json.loads(line) for line in (server.directory / "state" / "audit.jsonl").read_text().splitlines()]
    assert [line["claims_for"] for line in journal if "claims_for" in line] == ["anna"]
    refused = [(line["user"], line["name"], line["reason"]) for line in journal if line["event"] == "refused"]
    assert refused == [(me, "as anna", "not allowed")] * 2
    server.wait_for_log(r"claims to act for anna, and is not among the relays of \[listeners.plain\]: ignored")
