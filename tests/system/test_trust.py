"""Which files can be trusted, and what is said of the others."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from smanager.system.trust import why_untrusted


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that can be trusted."""
    file = tmp_path / "directory" / "file"
    file.parent.mkdir(mode=0o755)
    file.touch(0o644)
    return file


@pytest.mark.parametrize(
    ("mode", "letters"),
    [(0o600, ""), (0o644, ""), (0o755, ""), (0o640, ""), (0o602, "o"), (0o666, "go"), (0o777, "go"), (0o664, "g")],
)
def test_other_users_must_not_write(file: Path, mode: int, letters: str, monkeypatch: pytest.MonkeyPatch) -> None:
    members = SimpleNamespace(gr_name="staff", gr_mem=["ann", "bob"])
    monkeypatch.setattr(grp, "getgrgid", lambda number: members)
    file.chmod(mode)
    remedy = f"`chmod {letters}-w {file}` fixes that"
    assert why_untrusted(file).endswith(remedy if letters else "")
    assert bool(why_untrusted(file)) == bool(letters)


@pytest.mark.parametrize(
    ("name", "members", "is_trusted"),
    [("ann", [], True), ("ann", ["ann"], True), ("ann", ["ann", "bob"], False), ("staff", [], False)],
)
def test_a_users_private_group_may_write(
    file: Path, name: str, members: list[str], is_trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = SimpleNamespace(pw_name="ann", pw_gid=file.stat().st_gid)
    monkeypatch.setattr(pwd, "getpwuid", lambda number: account)
    monkeypatch.setattr(grp, "getgrgid", lambda number: SimpleNamespace(gr_name=name, gr_mem=members))
    file.chmod(0o664)
    assert (why_untrusted(file) == "") == is_trusted


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_the_directory_itself_must_not_be_everybodys(file: Path, mode: int) -> None:
    file.parent.chmod(mode)
    assert why_untrusted(file.parent).startswith("other users may write to ")


@pytest.mark.parametrize(("mode", "is_trusted"), [(0o777, False), (0o1777, True)])
def test_what_leads_to_a_file_counts_unless_others_cannot_replace_it(file: Path, mode: int, is_trusted: bool) -> None:
    file.parent.chmod(mode)
    assert (why_untrusted(file) == "") == is_trusted


def test_what_a_link_leads_through_counts(file: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "link").symlink_to(file)
    (tmp_path / "first").symlink_to(tmp_path / "open" / "link")
    assert why_untrusted(tmp_path / "first") == ""
    (tmp_path / "open").chmod(0o777)
    assert str(tmp_path / "open") in why_untrusted(tmp_path / "first")
    file.chmod(0o666)
    (tmp_path / "open").chmod(0o755)
    assert str(file) in why_untrusted(tmp_path / "first")


def test_what_does_not_exist_and_a_link_to_itself_are_for_others_to_tell(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    assert why_untrusted(tmp_path / "circle") == ""
    assert why_untrusted(tmp_path / "nothing") == ""


def test_a_read_only_file_system_changes_by_nobody(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.chmod(0o666)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert why_untrusted(file) == ""


@pytest.mark.parametrize(
    ("runs_as", "belongs_to", "owner", "is_trusted"),
    [(0, 0, 0, True), (0, 1234, 0, False), (0, 1234, 1234, True), (1234, 4321, 0, True), (1234, 1234, 0, True)],
)
def test_for_root_it_must_be_roots_or_the_named_owners(
    file: Path, runs_as: int, belongs_to: int, owner: int, is_trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lstat = Path.lstat

    def owned(path: Path) -> object:
        status = lstat(path)
        number = belongs_to if path == file else 0
        return SimpleNamespace(st_mode=status.st_mode & ~stat.S_IWGRP, st_uid=number, st_gid=status.st_gid)

    monkeypatch.setattr(os, "geteuid", lambda: runs_as)
    monkeypatch.setattr(Path, "lstat", owned)
    problem = why_untrusted(file, owner)
    assert problem == ("" if is_trusted else f"{file} belongs to user id 1234, and should belong to root; "
                       f"`chown root {file}` fixes that")  # fmt: skip
