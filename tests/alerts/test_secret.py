"""Secrets that stand elsewhere: read when they are used, refused where others may read them, and never told."""

from __future__ import annotations

from pathlib import Path

import pytest

from smanager.alerts.secret import SECRET_LIMIT, SecretError, Vault, with_paths


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from-env")
    file = tmp_path / "token"
    file.write_text("from-file\n")
    file.chmod(0o600)
    vault = Vault()
    assert vault.filled(f"Bearer ${{env:TOKEN}} ${{file:{file}}} $5 {{x}}") == "Bearer from-env from-file $5 {x}"
    assert vault.masked("it said: from-env, from-file") == "it said: ***, ***"


def test_the_longer_of_two_secrets_is_masked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "key")
    monkeypatch.setenv("B", "key-long")
    vault = Vault()
    vault.filled("${env:A}${env:B}")
    assert vault.masked("key-long key") == "*** ***"


def test_a_secret_is_masked_also_in_a_hosts_name_which_is_shown_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT", "SeCret+")
    vault = Vault()
    vault.filled("https://${env:TENANT}.example.org")
    assert vault.masked("secret+.example.org answered 500") == "***.example.org answered 500"


@pytest.mark.parametrize(
    ("mode", "content", "problem"),
    [
        (0o644, b"x", "others may read it; `chmod 600` fixes that"),
        (0o640, b"x", "others may read it"),
        (0o600, b"", "should be one line of text"),
        (0o600, b"a\nb", "should be one line of text"),
        (0o600, b"\xff", "is not UTF-8"),
        (0o600, b"x" * (SECRET_LIMIT + 1), "has more than "),
    ],
)
def test_a_file_that_is_no_secret_is_refused(tmp_path: Path, mode: int, content: bytes, problem: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(SecretError) as caught:
        Vault().filled(f"${{file:{file}}}")
    assert problem in str(caught.value)
    assert "xxx" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(SecretError, match=r"^the manager has no environment variable NOT_SET$"):
        Vault().filled("${env:NOT_SET}")
    with pytest.raises(SecretError, match=r"/none: no such file or directory$"):
        Vault().filled(f"${{file:{tmp_path}/none}}")
    with pytest.raises(SecretError, match=r"is a directory$"):
        Vault().filled(f"${{file:{tmp_path}}}")


def test_files_are_named_from_the_directory_of_the_configuration() -> None:
    assert with_paths("a ${file:key} ${env:X} ${file:/abs}", Path("/etc/box")) == (
        "a ${file:/etc/box/key} ${env:X} ${file:/abs}"
    )


@pytest.mark.parametrize("text", ["${env:", "${env}", "${environ:X}", "${file:}", "x${", "${env:A}${"])
def test_a_reference_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        with_paths(text, Path())
