"""The recipes of the page on alerts, delivered on loopback: what Slack, ntfy and Alertmanager would get."""

from __future__ import annotations

import asyncio
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from smanager.alerts.delivery import deliver
from smanager.alerts.incidents import Message
from smanager.alerts.message import note_of
from smanager.config.alert import alert_of
from tests.alerts.receivers import HttpReceiver, Request
from tests.conftest import ROOT
from tests.docs.markdown import blocks

RECIPES: dict[str, Any] = {
    name: table
    for block in blocks(ROOT / "docs" / "alerts.md", ROOT)
    if block.language == "toml"
    for name, table in tomllib.loads(block.text)["alerts"].items()
}

TEXT = 'it said "no" <!channel>\nand ended \\'
WHY = 900 * 'why "x"\n'
MESSAGE = Message("failed", "web", "", TEXT, 2, 10.0, 20.0)


def sent(http: HttpReceiver, recipe: str, tmp_path: Path, over: bool = False) -> Request:
    """What a recipe sends, to another place."""
    table = alert_of(recipe, RECIPES[recipe], tmp_path)
    table["webhook"]["url"] = f"http://127.0.0.1:{http.port}/x"
    message = Message("recovered", "web", "", TEXT, 2, 10.0, 20.0, is_over=True) if over else MESSAGE
    asyncio.run(deliver(table, note_of(message, recipe, "box", WHY, 30.0)))
    return http.requests[-1]


def test_each_recipe_is_one_that_is_tested_here_or_where_mail_and_commands_are() -> None:
    assert set(RECIPES) == {"oncall", "slack", "phone", "alertmanager", "mail"}


def test_slack_gets_text_in_which_nothing_is_a_mention(http: HttpReceiver, tmp_path: Path) -> None:
    content = sent(http, "slack", tmp_path).json
    (block,) = content["blocks"]
    assert content["text"] == "failed: web"
    assert block["text"]["type"] == "plain_text"
    assert 'it said "no"' in block["text"]["text"]
    assert len(block["text"]["text"]) <= 3000


def test_ntfy_gets_plain_text_that_is_no_attachment(
    http: HttpReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NTFY_TOKEN", "tk_1")
    request = sent(http, "phone", tmp_path)
    assert (request.headers["Title"], request.headers["Authorization"]) == ("SManager", "Bearer tk_1")
    assert request.body.decode().startswith('[box] web failed (2 times): it said "no"')
    assert len(request.body) <= 4096


def test_alertmanager_gets_one_alert_that_begins_and_ends(http: HttpReceiver, tmp_path: Path) -> None:
    (begun,) = sent(http, "alertmanager", tmp_path).json
    (over,) = sent(http, "alertmanager", tmp_path, over=True).json
    assert begun["labels"] == over["labels"]
    assert begun["labels"] == {"alertname": "alertmanager", "service": "web", "about": "", "instance": "box"}
    assert (begun["startsAt"], over["endsAt"]) == ("1970-01-01T00:00:10Z", "1970-01-01T00:00:30Z")
    assert json.dumps(WHY[:100])[1:-1] in json.dumps(begun["annotations"]["description"])
