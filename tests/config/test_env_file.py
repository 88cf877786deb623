"""Files of environment variables: what is read from them, and what is said about a mistake."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.config.env_file import SIZE_LIMIT, fingerprint, read_variables, variables_in


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=a#1b", "a#1b"),
        ("A=http://h/#/x", "http://h/#/x"),
        ("A=#x", "#x"),
        ("A= #x", ""),
        ("A=a #x", "a"),
        ("A=a\t#x", "a"),
        ("A=a \t # x # y", "a"),
        ("A=", ""),
        ("A=   ", ""),
        ("A =  a  ", "a"),
        ("  A\t=\ta\r\n", "a"),
        ("A=a b  c", "a b  c"),
        ("A=a=b", "a=b"),
        ("A==", "="),
        ("A=a B=2", "a B=2"),
        ('A={"a": "b c"}', '{"a": "b c"}'),
        ("A=it's", "it's"),
        ("A=a'b c'", "a'b c'"),
        (r"A=C:\\x", r"C:\x"),
        (r"A=a\ b\#c", "a b#c"),
        (r"A=\ a", " a"),
        ("A=a\\\nb", "ab"),
        ("A=a\\\r\nb", "ab"),
        ("A=a\\", "a"),
        ("A=$HOME ${X} `x`", "$HOME ${X} `x`"),
        ("A='a b'", "a b"),
        ("A = 'a' # x", "a"),
        ("A='a # b'", "a # b"),
        (r"A='a\nb\\'", r"a\nb\\"),
        ("A='a\n#b\n\nc'", "a\n#b\n\nc"),
        ("A='a\r\nb'", "a\nb"),
        ('A=""', ""),
        ('A="a b"', "a b"),
        ('A="a # b" # c', "a # b"),
        (r'A="a\nb"', r"a\nb"),
        (r'A="\"\\\$\`\x"', '"\\$`\\x'),
        ('A="a\\\nb\nc"', "ab\nc"),
        ('A="it\'s"', "it's"),
        ("A='it'\\''s'", "it's"),
        ("A=\"a\"b'c'", "abc"),
        ('A="a"#b', "a#b"),
        ("export A=a", "a"),
        ("export\tA = a b", "a b"),
        ("export A=a b #c", "a b"),
        ("# A=b\n ; A=c\n\n\t\nA=a\n#A=d", "a"),
        ("A=b\nA=a", "a"),
        ("A=ä\x0b\x85\u2028ö", "ä\x0b\x85\u2028ö"),
        ("A.b-c_1=a\nA=a", "a"),
    ],
)
def test_a_value_is_read_as_systemd_or_dotenv_has_it(text: str, value: str) -> None:
    assert variables_in(text)["A"] == value


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("\n \r\n# x", {}),
        ("export A=1 B=2", {"A": "1", "B": "2"}),
        ("export A='x y' B=\"z\" C=p q D= # x", {"A": "x y", "B": "z", "C": "p q", "D": ""}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export=1\nexport =2", {"export": "2"}),
        ("A='x'\nB=y", {"A": "x", "B": "y"}),
        ("A=\nB=y", {"A": "", "B": "y"}),
        ("A=x\nexport B=y\n C=z", {"A": "x", "B": "y", "C": "z"}),
    ],
)
def test_several_variables_are_told_apart(text: str, variables: dict[str, str]) -> None:
    assert variables_in(text) == variables


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\n\nB", "line 3 should be NAME=VALUE, or a comment after #"),
        ("export A", "line 1 should be NAME=VALUE"),
        ("=x", "line 1 should be NAME=VALUE"),
        ("1A=x", "line 1 should be NAME=VALUE"),
        ("A B=x", "line 1 should be NAME=VALUE"),
        ("A: x", "line 1 should be NAME=VALUE"),
        ("ä=x", "line 1 should be NAME=VALUE"),
        ("\ufeffA=x", "line 1 should be NAME=VALUE"),
        ("[Service]", "line 1 should be NAME=VALUE"),
        ("A=1\nB='x\n\ny", "line 2 has a quote that is not closed"),
        ('A="x\\"', "line 1 has a quote that is not closed"),
        ("A='a'\"b", "line 1 has a quote that is not closed"),
        ("A='a' b", "line 1 should end after the closing quote, or go on with a blank and a comment after #"),
        ("A='a\nb' c", "line 1 should end after the closing quote"),
        ("export A='a' b", "line 1 should end after the closing quote"),
        ("A=1\nB=\0", "line 2 has a NUL character"),
    ],
)
def test_a_mistake_is_named_with_its_line_but_not_with_what_may_be_secret(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        variables_in(text)


def test_a_file_is_named_with_its_mistake(tmp_path: Path) -> None:
    path = tmp_path / "web.env"
    for data, message in [
        (b"A=1\nB\n", "line 2 should be NAME=VALUE, or a comment after #"),
        (b"A=1\nB=\xe9\n", "line 2 is not UTF-8"),
        (b"#" * (SIZE_LIMIT + 1), "it has more than 1048576 bytes, and should have at most that many"),
    ]:
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {message}')}$"):
            read_variables(str(path))
    os.mkfifo(tmp_path / "pipe")
    for name, message in [
        ("pipe", "it is not a regular file, and should be one"),
        (".", "is a directory"),
        ("x", "no such file or directory"),
    ]:
        with pytest.raises(ValueError, match=f"{message}$"):
            read_variables(str(tmp_path / name))


def test_a_byte_order_mark_and_line_ends_of_windows_mean_nothing(tmp_path: Path) -> None:
    path = tmp_path / "web.env"
    path.write_bytes(b"\xef\xbb\xbfA=1\r\nB='x\r\ny'\r\n")
    assert read_variables(str(path)) == {"A": "1", "B": "x\ny"}


def test_a_fingerprint_is_of_the_contents(tmp_path: Path) -> None:
    path = tmp_path / "web.env"
    missing = fingerprint([str(path)])
    path.write_text("A=1")
    first = fingerprint([str(path)])
    path.unlink()
    path.write_text("A=1")
    assert fingerprint([str(path)]) == first != missing
    path.write_text("A=2")
    assert fingerprint([str(path)]) != first


letters = f"{ascii_letters}_"
names = st.builds(str.__add__, st.sampled_from(letters), st.text(f"{letters}{digits}.-", max_size=5))
plain = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=20)


def in_single_quotes(value: str) -> str:
    return "'" + value.replace("'", r"'\''") + "'"


def in_double_quotes(value: str) -> str:
    return '"' + re.sub(r'[\\"`$]', r"\\\g<0>", value) + '"'


@given(st.dictionaries(names, plain, max_size=4), st.sampled_from([in_single_quotes, in_double_quotes]), st.booleans())
def test_what_is_quoted_is_what_was_meant(
    variables: dict[str, str], quoted: Callable[[str], str], exported: bool
) -> None:
    assignments = [f"{name}={quoted(value)}" for name, value in variables.items()]
    text = f"export {' '.join(assignments)}" if exported and variables else "\r\n".join(assignments)
    assert variables_in(text) == variables


@given(st.text(st.sampled_from("AB= \t\r\n#;'\"\\$x"), max_size=40))
def test_nothing_else_is_ever_raised(text: str) -> None:
    with suppress(ValueError):
        for name, value in variables_in(text).items():
            assert name
            assert value is not None


@pytest.mark.timeout(15)  # seconds: less than one is enough, but not if the time grows with the square of the length
@pytest.mark.parametrize("piece", ["a", " ", "\\", "'", '"', "# ", "\\\n", "A=", " A=", "a ", "\n", "''", "\nA=", " #"])
def test_a_long_text_is_read_to_its_end(piece: str) -> None:
    for start in ("A=", 'A="', "A='", "export A=", "export A=''"):
        with suppress(ValueError):
            variables_in(start + piece * (SIZE_LIMIT // 4 // len(piece)))
