"""The ends of lines: all forms alike, however the network has split them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.server.newlines import Newlines


@pytest.mark.parametrize("enter", [b"\n", b"\r\n", b"\r", b"\r\0"])
def test_each_form_of_enter_is_one_newline(enter: bytes) -> None:
    assert Newlines().unified(enter.join([b"a", b"", b"b", b""])) == b"a\n\nb\n"


@given(st.lists(st.binary(max_size=3) | st.text("\r\n\0a", max_size=4).map(str.encode)))
def test_it_makes_no_difference_how_the_bytes_are_split(pieces: list[bytes]) -> None:
    newlines = Newlines()
    assert b"".join(map(newlines.unified, pieces)) == Newlines().unified(b"".join(pieces))
