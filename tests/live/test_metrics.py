"""Metrics in the running program: the command, the pages, the file, and what services tell."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client import Metric
from prometheus_client import parser as classic_parser
from prometheus_client.openmetrics import parser as open_parser

from tests.conftest import SECONDS, Server, ask_unix, is_in, wait_for

SHOP = """
import os
from smanager import SService, command


class Shop(SService):
    def __init__(self):
        self.metric("queue_length", 3, help="Orders that wait")

    def cmd_tell(self, name: str, value: float, kind: str = "gauge"):
        self.metric(name, value, kind=kind, labels={"city": 'Bad "Ems"'})

    def cmd_fail(self): raise ValueError("no luck")
    @command(hidden=True)
    def cmd_secret(self): return "secret"
    def cmd_die(self): os._exit(1)
    def cmd_count(self):
        return str(len(list(self.manager.as_caller(self.caller).stream("figures"))))
"""
SAFE = """
from smanager import SService

class Safe(SService):
    def run(self):
        self.metric("safe_gold", 5)

    def cmd_open(self): return "open"
"""
CONFIGURATION = """
[listeners.viewers]
unix = "viewers.sock"
roles = ["view"]

[listeners.few]
unix = "few.sock"
roles = ["few"]

[listeners.operators]
unix = "operators.sock"
roles = ["operate"]

[roles.few]
allow = ["metrics.show", "figures shop"]

[metrics]
file = "smanager.prom"
listen = "127.0.0.1:0"

[schedules.night]
run = "shop count"
at = "02:30"
"""

open_families: Callable[[str], Iterator[Metric]] = open_parser.text_string_to_metric_families

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def numbers(families: Iterable[Metric]) -> dict[str, float]:
    """The samples by their names and labels, as `name{a=b}`."""
    return {
        f"{name}{{{','.join(f'{key}={text}' for key, text in sorted(labels.items()) if text)}}}": value
        for family in families
        for name, labels, value, *_ in family.samples
    }


def told(server: Server) -> dict[str, float]:
    """What the command `metrics` says now."""
    return numbers(open_families(server.ask("metrics")))


def fetch(server: Server, path: str, accept: str = "") -> tuple[int, str, str]:
    """A page's status, content type and text."""
    url = server.wait_for_log(r"metrics: serves (http://127.0.0.1:\d+)/metrics").group(1)
    request = urllib.request.Request(f"{url}{path}", headers={"Accept": accept} if accept else {})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    return shared(CONFIGURATION, shop=SHOP, safe=SAFE)


def test_the_name_alone_shows_all_metrics_as_openmetrics(server: Server) -> None:
    server.ask("shop count; shop fail; shop nothing; shop secret; start nothing; shop fail x")
    found = told(server)
    expected = {
        "smanager_up{}": 1,
        "smanager_service_up{service=shop}": 1,
        "smanager_service_state{service=shop,state=running}": 1,
        "smanager_service_state{service=shop,state=failed}": 0,
        "smanager_audit_lines_lost_total{}": 0,
        "smanager_log_lines_lost_total{service=shop}": 0,
        "queue_length{service=shop}": 3,
        "safe_gold{service=safe}": 5,
    }
    assert {name: found.get(name) for name in expected} == expected
    for name in (
        "smanager_start_time_seconds{}",
        "smanager_resident_memory_bytes{}",
        "smanager_open_fds{}",
        "smanager_sessions{kind=script}",
        "smanager_service_start_time_seconds{service=shop}",
        "smanager_service_resident_memory_bytes{service=shop,shared=false}",
        "smanager_service_open_fds{service=shop,shared=false}",
        "smanager_commands_total{command=count,outcome=done,service=shop}",
        "smanager_commands_total{command=fail,outcome=failed,service=shop}",
        "smanager_commands_total{command=(others),outcome=done,service=shop}",
        "smanager_command_duration_seconds_count{command=fail,service=shop}",
        "smanager_commands_total{command=start,outcome=failed}",
        "smanager_commands_refused_total{reason=no such command}",
        "smanager_commands_refused_total{reason=wrong arguments}",
    ):
        assert found[name] > 0, name
    assert found["smanager_service_cpu_seconds_total{service=shop,shared=false}"] >= 0
    assert not [name for name in found if "command=secret" in name]
    wait_for(lambda: told(server)["smanager_loop_lag_seconds_count{}"] > 0, "a look at the loop's lag")


def test_the_page_has_the_format_that_the_client_prefers(server: Server) -> None:
    status, kind, text = fetch(server, "/metrics", OPEN_METRICS)
    assert (status, kind) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    found = numbers(open_families(text))
    status, kind, text = fetch(server, "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert found.keys() == numbers(classic_parser.text_string_to_metric_families(text)).keys()
    assert fetch(server, "/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
    assert fetch(server, "/")[0] == 404


def test_the_file_is_for_others_to_read_and_there_while_the_service_runs(server: Server) -> None:
    file = server.directory / "smanager.prom"
    wait_for(file.exists, "the file")
    assert file.stat().st_mode & 0o777 == 0o644
    assert numbers(classic_parser.text_string_to_metric_families(file.read_text()))["smanager_up{}"] == 1
    server.ask("stop metrics")
    assert [path.name for path in server.directory.iterdir() if "prom" in path.name] == []
    server.forget_log()
    server.ask("start metrics")
    wait_for(file.exists, "the file")


def test_a_caller_is_shown_what_the_caller_may_see(server: Server) -> None:
    def services(socket: str) -> set[str]:
        answer = ask_unix(str(server.directory / socket), "metrics\n")
        return set(re.findall(r'service="(\w*)"', answer))

    assert services("viewers.sock") - {""} == {"metrics", "safe", "schedules", "shop"}
    assert services("few.sock") - {""} == {"shop"}
    assert ask_unix(str(server.directory / "few.sock"), "status\n").startswith("*** unknown command: status")


def test_what_services_tell_is_of_their_present_lives(server: Server) -> None:
    assert server.ask("shop tell orders 5 counter") == ""
    assert server.ask("shop tell orders 6 counter") == ""
    assert server.ask("shop tell x_total 6").startswith("*** shop tell: ValueError: name is 'x_total', and should end ")
    assert server.ask("shop tell smanager_up 6") == ""
    found = told(server)
    assert found['orders_total{city=Bad "Ems",service=shop}'] == 6
    assert found["smanager_up{}"] == 1
    restarts = found["smanager_service_restarts_total{service=shop}"]
    server.ask("shop die")
    wait_for(lambda: told(server)["smanager_service_restarts_total{service=shop}"] > restarts, "a restart")
    is_in(server, "shop", "running")
    found = told(server)
    assert (found["queue_length{service=shop}"], 'orders_total{city=Bad "Ems",service=shop}' in found) == (3, False)
    server.ask("restart shop")
    assert told(server)["smanager_service_restarts_total{service=shop}"] == restarts + 1  # none by the supervision


def test_a_schedule_tells_when_it_last_succeeded(server: Server) -> None:
    name = "smanager_schedule_last_success_timestamp_seconds{schedule=night,service=schedules}"
    assert server.ask("schedules run night") == "night: done\n"
    last = told(server)[name]
    server.ask("restart schedules")
    assert told(server)[name] == last


def test_any_service_can_have_the_same_figures(server: Server) -> None:
    assert server.ask("shop count") == "5\n"  # of the manager and of four services
    assert ask_unix(str(server.directory / "operators.sock"), "shop count\n") == "5\n"


def test_the_journal_is_not_filled_by_them(server: Server) -> None:
    server.ask("shop count")
    server.ask("figures")
    assert ask_unix(str(server.directory / "few.sock"), "figures safe\n").startswith("*** ")
    journal = [json.loads(line) for line in (server.directory / "state" / "audit.jsonl").read_text().splitlines()]
    assert "shop count" in {line.get("name") for line in journal}
    assert "figures" not in {line["name"] for line in journal if line["event"] == "command"}


def test_other_roles_of_the_service_show_less_to_all(reloaded: Callable[..., Server]) -> None:
    configuration = '[metrics]\nlisten = "127.0.0.1:0"\n[roles.few]\nallow = ["figures shop"]\n'
    server = reloaded(f'{configuration}[services.metrics]\nroles = ["few"]\n', shop=SHOP, safe=SAFE)
    _, _, text = fetch(server, "/metrics")
    assert set(re.findall(r'service="(\w*)"', text)) - {""} == {"shop"}
    server = reloaded(f"{configuration}[services.metrics]\nroles = []\n", shop=SHOP, safe=SAFE)
    server.forget_log()
    server.ask("restart metrics")
    assert fetch(server, "/healthz")[0] == 503
    server.wait_for_log(r"metrics: figures: metrics may ask for nothing; give it roles, such as ")
    assert fetch(server, "/metrics")[2].endswith("\nsmanager_up 0\n")


def test_a_reload_takes_and_leaves_metrics(reloaded: Callable[..., Server]) -> None:
    server = reloaded()
    assert server.ask("metrics").startswith("*** unknown command: metrics")
    server = reloaded("[metrics]\n")
    assert server.ask("metrics").endswith("# EOF\n")
    server = reloaded('[metrics]\nfile = "nowhere/x.prom"\n')
    server.wait_for_log("metrics: .*/nowhere/x.prom cannot be written: no such file or directory")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        server = reloaded(f'[metrics]\nlisten = "{place}"\n')
        why = server.ask("why metrics")
        assert f"http://{place} cannot be served: address already in use" in why
        assert "OSError" not in why
        assert "Traceback" not in server.ask("logs metrics")
    server = reloaded('[metrics]\nlisten = "0.0.0.0:0"\ninsecure = true\n')
    server.wait_for_log(r"serves http://0.0.0.0:\d+/metrics, and other machines may read it without a login")
    path = Path("smanager.toml")
    path.write_text('[metrics]\nlisten = "0.0.0.0:9109"\n')
    assert server.ask("reload").endswith("use 127.0.0.1, or set insecure = true if you mean it\n")
