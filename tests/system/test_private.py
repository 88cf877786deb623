"""The manager's own files: what another user may have put in their place is told from them, and nothing waits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.system.private import contents, make_directory, opened

APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def to_nobody(path: Path) -> None:
    path.write_text("planted")
    os.chown(path, NOBODY, -1)


def to_a_file(path: Path) -> None:
    path.with_name("victim").write_text("precious")
    path.symlink_to("victim")


PLANTED: dict[str, Callable[[Path], object]] = {
    "link": to_a_file,
    "dangling link": lambda path: path.symlink_to("victim"),
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "directory": Path.mkdir,
}


@pytest.mark.parametrize("flags", [os.O_RDONLY, APPEND, os.O_RDWR | os.O_CREAT])
@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_what_is_not_a_file_is_not_opened(tmp_path: Path, plant: Callable[[Path], object], flags: int) -> None:
    plant(tmp_path / "file")
    before = os.dup(0)
    os.close(before)
    with pytest.raises(OSError, match=r"(it is .*, and should (not )?be one|Is a directory): "):
        opened(tmp_path / "file", flags)
    after = os.dup(0)
    os.close(after)
    assert after == before, "a descriptor is left"
    victim = tmp_path / "victim"
    assert not victim.exists() or victim.read_text() == "precious"


@as_root
@pytest.mark.parametrize("flags", [os.O_RDONLY, APPEND])
def test_another_users_file_is_not_opened(tmp_path: Path, flags: int) -> None:
    to_nobody(tmp_path / "file")
    with pytest.raises(PermissionError, match=f"it belongs to user id {NOBODY}, and should belong to 0"):
        opened(tmp_path / "file", flags)
    os.close(opened(tmp_path / "file", flags, owner=NOBODY))


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277, 0o777], ids=oct)
def test_a_new_file_is_its_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        os.close(opened(tmp_path / "file", APPEND))
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_may_read_stays_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o640)
    (tmp_path / "file").chmod(0o640)
    os.close(opened(tmp_path / "file", APPEND))
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_no_more_is_read_than_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    assert contents(tmp_path / "file", 4) == b"1234"
    with pytest.raises(OSError, match="it has more than 3 bytes, and should have at most that many"):
        contents(tmp_path / "file", 3)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077], ids=oct)
def test_all_directories_that_are_made_are_their_owners(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_directory(tmp_path / "a" / "b" / "c")
        make_directory(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    made = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert [directory.stat().st_mode & 0o777 for directory in made] == [0o700] * 3


def test_a_link_in_a_directorys_place_is_not_followed_unless_it_may_be_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    make_directory(tmp_path / "link", may_be_link=True)
    with pytest.raises(OSError, match="it is a symbolic link"):
        make_directory(tmp_path / "link")


@as_root
def test_another_users_directory_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", NOBODY, -1)
    with pytest.raises(PermissionError, match=f"it belongs to user id {NOBODY}, and should belong to 0"):
        make_directory(tmp_path / "theirs")


@as_root
def test_a_link_that_another_user_has_made_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    os.chown(tmp_path / "link", NOBODY, -1, follow_symlinks=False)
    with pytest.raises(PermissionError, match=f"it belongs to user id {NOBODY}, and should belong to 0"):
        make_directory(tmp_path / "link", may_be_link=True)


def test_a_file_in_a_directorys_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError):
            make_directory(path)
