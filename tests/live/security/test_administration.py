"""`smanager user` and `smanager token`, as an administrator types them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pexpect
import pytest

from smanager import cli
from smanager.access.secrets import is_password, is_token
from smanager.access.users import UsersFile
from tests.conftest import ROOT, SECONDS
from tests.live import clients

PASSWORD = "a password that is long enough"
FILE = "smanager-users.json"


def smanager(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """The command line, run in this process: a start of the program takes longer than all that these tests do."""
    with (
        tempfile.TemporaryFile("w+") as stdin,
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile("w+") as stderr,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        pytest.MonkeyPatch.context() as patch,
    ):
        stdin.write(given)
        stdin.seek(0)
        patch.setattr("sys.stdin", stdin)
        try:
            status = cli.main(list(words))
        except SystemExit as end:
            status = int(end.code or 0)
        for stream in (stdout, stderr):
            stream.seek(0)
        return subprocess.CompletedProcess(words, status, stdout.read(), stderr.read())


@pytest.fixture(autouse=True)
def _directory(directory: Path) -> None:
    """An empty one to work in."""


def users() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(FILE).read_text())["users"]
    return found


def fails(message: str, *words: str, given: str = "") -> None:
    before = Path(FILE).read_bytes() if Path(FILE).exists() else None
    result = smanager(*words, given=given)
    assert (result.returncode, result.stdout) == (1, "")
    assert message in result.stderr.splitlines()[-1]
    assert (Path(FILE).read_bytes() if Path(FILE).exists() else None) == before


def test_a_user_from_the_first_day_to_the_last() -> None:
    def smanager(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return clients.smanager(*words, stdin=given, cwd=Path.cwd())

    added = smanager("user", "add", "anna", "--roles", "operate", given=f"{PASSWORD}\nnot this\n")
    assert (added.returncode, added.stdout) == (0, "")
    assert re.fullmatch(r"smanager: .*/?smanager-users.json is new and belongs to .*\n", added.stderr)
    assert Path(FILE).stat().st_mode & 0o777 == 0o600
    assert is_password(PASSWORD, users()["anna"]["password"])
    assert smanager("user", "passwd", "anna", given="another password\n").returncode == 0
    assert is_password("another password", users()["anna"]["password"])
    changed = smanager("user", "roles", "anna", "view,nothing")
    assert changed.stderr == "smanager: unknown roles, which allow nothing until they are configured: nothing\n"
    assert smanager("user", "list").stdout == "anna\tview,nothing; password\n"
    assert smanager("user", "remove", "anna").returncode == 0
    assert users() == {}


def test_a_token_is_shown_once_and_its_hash_is_kept() -> None:
    made = smanager("token", "add", "backup", "--roles", "operate", "--expires", "90d")
    token = made.stdout.strip()
    assert re.fullmatch(r"smt_[\w-]{43}", token)
    assert "added user backup, with the roles operate" in made.stderr
    assert token not in Path(FILE).read_text()
    assert is_token(token, users()["backup"]["token"]["hash"])
    assert re.fullmatch(r"backup\toperate; no password; token until \S+\n", smanager("user", "list").stdout)
    again = smanager("token", "add", "backup", "--roles", "view")  # which who may operate may as well
    assert again.stderr == "smanager: the previous token is revoked\n"
    assert users()["backup"]["token"]["roles"] == ["view"]
    assert smanager("token", "revoke", "backup").returncode == 0
    assert users()["backup"]["token"] is None
    fails("backup has no token; `smanager token list` shows who has one", "token", "revoke", "backup")


def test_tokens_are_listed_without_a_secret() -> None:
    smanager("user", "add", "anna", "--no-password")
    for words in (["backup", "--roles", "operate,view", "--expires", "30"], ["backup", "--roles", "view"], ["web"]):
        assert smanager("token", "add", *words).returncode == 0
    assert smanager("token", "list").stdout == "backup\tview\nweb\tview\n"


@pytest.mark.parametrize("name", ["list", "add", "revoke", "remove", "passwd", "roles"])
def test_a_verb_is_not_a_name(name: str) -> None:
    fails(f"{name} is a verb of `smanager user` or `smanager token`; choose another name", "token", "add", name)
    fails(f"{name} is a verb of ", "user", "add", name, "--no-password")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["token", "backup"], "smanager token: argument VERB: invalid choice: 'backup' (choose from "),
        (["token"], "smanager token: the following arguments are required: VERB; "),
        (["user"], "smanager user: the following arguments are required: VERB; "),
        (["token", "list", "backup"], "smanager: unrecognized arguments: backup; "),
        (
            ["token", "add", "anna", "--expires", "soon"],
            "smanager token add: argument --expires: 'soon' should be a number of days such as 90, or 12h, 30d: ",
        ),
    ],
)
def test_what_is_mistyped_is_said_in_one_line(words: list[str], message: str) -> None:
    result = smanager(*words)
    assert (result.returncode, result.stderr.startswith(message), result.stderr.count("\n")) == (2, True, 1)
    assert not Path(FILE).exists()


@pytest.mark.parametrize(("span", "days"), [("90", 90), ("12h", 0.5), ("30d", 30), ("1d12h", 1.5), ("1.5", 1.5)])
def test_a_token_expires_after_days(span: str, days: float) -> None:
    now = time.time()
    smanager("token", "add", "anna", "--expires", span)
    assert users()["anna"]["token"]["expires"] - now == pytest.approx(days * 24 * 3600, abs=SECONDS)


def test_what_cannot_be_changes_nothing() -> None:
    fails("the password has 5 characters, and should have at least 8", "user", "add", "anna", given="short\n")
    smanager("user", "add", "anna", "--certificate", "laptop", given=f"{PASSWORD}\n")
    fails("user anna already exists", "user", "add", "anna", given=f"{PASSWORD}\n")
    laptop, anna = (f"the certificate {name} already belongs to anna" for name in ("laptop", "anna"))
    fails(laptop, "user", "add", "ben", "--no-password", "--certificate", "laptop")
    fails(anna, "user", "add", "ben", "--no-password", "--certificate", "anna")
    fails(laptop, "user", "add", "laptop", "--no-password")
    fails(laptop, "token", "add", "laptop")
    fails("not a directory", "user", "list", "--users-file", f"{FILE}/users")
    fails("there is no user ben; the users are: anna", "user", "passwd", "ben", given=f"{PASSWORD}\n")
    fails("there is no user ben", "user", "remove", "ben")
    fails("is not a user name", "user", "add", "an na", given=f"{PASSWORD}\n")
    fails("anna does not have the roles admin", "token", "add", "anna", "--roles", "admin")
    for span in ("0s", "0", "-1d", "9999999d", "99999", "soon", "", "1e3"):
        assert smanager("token", "add", "anna", f"--expires={span}").returncode == 2
    Path(FILE).chmod(0o644)
    fails("other users may read or write it; `chmod 600 ", "user", "list")


def test_the_configuration_that_is_named_says_which_roles_there_are() -> None:
    Path("other.toml").write_text('users_file = "others.json"\n[roles.webmaster]\nallow = ["web.*"]\n')
    added = smanager("user", "add", "anna", "--no-password", "--roles", "webmaster", "--config", "other.toml")
    assert (added.returncode, "unknown roles" in added.stderr, Path("others.json").exists()) == (0, False, True)


@pytest.mark.parametrize("second", [PASSWORD, "something else"])
def test_a_password_is_asked_for_twice_and_not_shown(second: str) -> None:
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable, [str(ROOT / "smanager.py"), "user", "add", "anna"], timeout=SECONDS, encoding="utf-8"
    )
    child.expect_exact("password of anna, at least 8 characters: ")
    child.sendline(PASSWORD)
    child.expect_exact("repeat the password: ")
    child.sendline(second)
    child.expect(pexpect.EOF)
    assert PASSWORD not in str(child.before)
    child.close()
    assert (child.exitstatus == 0) == Path(FILE).exists() == (second == PASSWORD)
    assert ("passwords do not match; nothing is changed" in str(child.before)) == (second != PASSWORD)


@pytest.mark.skipif(os.getuid() != 0, reason="only root looks after others' files")
def test_root_leaves_a_file_to_whom_it_belongs() -> None:
    smanager("user", "add", "anna", "--no-password")
    for name in (FILE, f"{FILE}.lock"):
        os.chown(name, 65534, -1)
    assert smanager("token", "add", "anna").returncode == 0
    assert [Path(name).stat().st_uid for name in (FILE, f"{FILE}.lock")] == [65534, 65534]
    with pytest.raises(Exception, match="belongs to user id 65534, and should belong to 0"):  # for a manager of root's
        UsersFile(Path(FILE)).users()


def test_who_reads_the_list_may_stop() -> None:
    smanager("user", "add", "anna", "--no-password")
    command = f"{sys.executable} {ROOT / 'smanager.py'} user list | true"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert result.stderr == ""
