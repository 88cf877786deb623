"""A file that is replaced whole: the old contents or the new, and nobody else's hands on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smanager.system.atomic import replacing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.json"
    path.write_text("old")
    return path


def test_a_file_is_replaced_and_only_its_owner_may_read_it(path: Path) -> None:
    with replacing(path) as file:
        file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    def fail() -> None:
        with replacing(path, last=path.with_suffix(".last")) as file:
            file.write("half")
            raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        fail()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_the_last_file_is_kept(path: Path) -> None:
    last = path.with_suffix(".last")
    for text in ("newer", "newest"):
        with replacing(path, last=last) as file:
            file.write(text)
    assert (path.read_text(), last.read_text()) == ("newest", "newer")


def test_there_need_be_no_old_file(tmp_path: Path) -> None:
    with replacing(tmp_path / "new", last=tmp_path / "last") as file:
        file.write("new")
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def test_a_link_in_the_way_is_replaced_and_not_followed(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.with_name(f".{path.name}.new").symlink_to(victim)
    with replacing(path) as file:
        file.write("new")
    assert (path.read_text(), victim.read_text()) == ("new", "precious")


def test_the_last_file_is_never_another_one_that_a_link_names(path: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    path.unlink()
    path.symlink_to("victim")
    with replacing(path, last=tmp_path / "last") as file:
        file.write("new")
    assert (tmp_path / "victim").stat().st_nlink == 1


@pytest.mark.parametrize("umask", [0, 0o777], ids=oct)
def test_the_umask_means_nothing(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with replacing(path) as file:
            file.write("new")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_and_its_directory_are_on_the_disk_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: steps.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    with replacing(path) as file:
        file.write("new")
    assert steps == [path.with_name(f".{path.name}.new"), path.parent]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_file_gets_its_owner(path: Path) -> None:
    with replacing(path, owner=65534) as file:
        file.write("new")
    assert path.stat().st_uid == 65534
