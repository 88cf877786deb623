"""What a host reports of a services file: taken in whole, or refused in one line, whatever the host sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.commands.jsonable import jsonable
from smanager.commands.record import Command, Parameter
from smanager.hosts.source import FileReport, ReportError, ServiceDescription

COMMAND = Command("uptime", "Returns uptime", parameters=(Parameter("unit", choices=("s", "min")),), aliases=("up",))

SERVICE: dict[str, Any] = {
    "name": "web",
    "title": "Web",
    "doc": "Serves pages",
    "line": 5,
    "commands": [jsonable(COMMAND)],
    "is_program": False,
    "given": {"watchdog": 5},
}


def test_a_report_is_taken_in() -> None:
    report = FileReport.from_data({"services": [SERVICE], "problems": ["line 9: bad"], "fingerprint": [1]})
    web = ServiceDescription("web", "Web", "Serves pages", 5, (COMMAND,), is_program=False, given={"watchdog": 5})
    assert report == FileReport((web,), ("line 9: bad",), [1])


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"services": [], "problems": None},
        {"services": [5], "problems": []},
        {"services": [{}], "problems": []},
        *({"services": [SERVICE | {key: None}], "problems": []} for key in SERVICE),
        {"services": [SERVICE | {"commands": [{}]}], "problems": []},
        {"services": [SERVICE | {"commands": [5]}], "problems": []},
    ],
)
def test_a_malformed_report_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ReportError, match=r"^its process sent a malformed description of it: ") as refusal:
        FileReport.from_data(data)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


JSON = st.recursive(
    st.sampled_from([None, True, 5, "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "commands", "x"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["services", "problems", "fingerprint"]), JSON))
def test_whatever_a_host_sends_nothing_else_is_raised(data: dict[str, Any]) -> None:
    try:
        report = FileReport.from_data(data)
    except ReportError:
        return
    assert all(isinstance(problem, str) for problem in report.problems)
