"""A real Prometheus, and a real node_exporter, read what the program shows."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SECONDS, Server, wait_for
from tests.examples.test_grafana_dashboard import queries
from tests.live.clients import needs
from tests.live.test_metrics import CONFIGURATION, SAFE, SHOP, fetch

pytestmark = pytest.mark.soak

SCRAPES = """
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: smanager
    static_configs: [{targets: ["%s"]}]
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    server = shared(CONFIGURATION, shop=SHOP, safe=SAFE)
    assert server.ask("schedules run night; shop tell orders 5 counter; shop fail").startswith("night: done\n")
    return server


def test_promtool_finds_nothing_to_mend(server: Server) -> None:
    needs("promtool", "prometheus")
    wait_for(lambda: "orders_total" in fetch(server, "/metrics")[2], "the latest figures")
    text = fetch(server, "/metrics")[2]
    command = ["promtool", "check", "metrics"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (result.returncode, result.stdout) == (3, ""), result.stderr
    assert result.stderr == "orders_total no help text\nsafe_gold no help text\n"  # which their authors have not told


def test_node_exporter_takes_the_file(server: Server, free_port: int) -> None:
    needs("prometheus-node-exporter", "prometheus-node-exporter")
    place = f"127.0.0.1:{free_port}"
    options = ["--collector.disable-defaults", "--collector.textfile", f"--web.listen-address={place}"]
    command = ["prometheus-node-exporter", *options, f"--collector.textfile.directory={server.directory}"]

    def scraped() -> str:
        try:
            with urllib.request.urlopen(f"http://{place}/metrics", timeout=SECONDS) as answer:
                return str(answer.read().decode())
        except OSError:  # it has not begun to listen
            return ""

    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as exporter:
        try:
            wait_for(lambda: 'smanager_service_up{service="shop"} 1' in scraped(), scraped)
            assert "node_textfile_scrape_error 0\n" in scraped()
        finally:
            exporter.terminate()


def test_prometheus_scrapes_it(server: Server, tmp_path: Path, free_port: int) -> None:
    needs("prometheus", "prometheus")
    url = server.wait_for_log(r"metrics: serves http://(127.0.0.1:\d+)/metrics").group(1)
    (tmp_path / "prometheus.yml").write_text(SCRAPES % url)
    options = {"config.file": tmp_path / "prometheus.yml", "storage.tsdb.path": tmp_path / "data"}
    options["web.listen-address"] = Path(f"127.0.0.1:{free_port}")
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]

    def ask(path: str, **parameters: str) -> Any:
        address = f"http://127.0.0.1:{free_port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=SECONDS) as answer:
                return json.load(answer)["data"]
        except OSError:  # it has not begun to listen
            return None

    def value(query: str) -> float:
        answer = ask("query", query=query)
        return float(answer["result"][0]["value"][1]) if answer and answer["result"] else -1.0

    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stderr=log) as prometheus:
        try:
            wait_for(lambda: value('up{job="smanager"}') == 1, lambda: (tmp_path / "log").read_text())
            wait_for(lambda: value("smanager_service_up{service='shop'}") == 1, "a sample")
            assert value("queue_length{service='shop'}") == 3
            assert value("orders_total{city='Bad \"Ems\"'}") == 5
            assert value("smanager_commands_total{service='shop',command='fail',outcome='failed'}") == 1
            assert value("smanager_schedule_last_success_timestamp_seconds{schedule='night'}") > 1e9
            wait_for(lambda: value("increase(smanager_commands_total{command='figures'}[30s])") > 0, "a rate")
            assert value("histogram_quantile(0.9, smanager_command_duration_seconds_bucket)") > 0
            for query in queries():
                plain = query.replace("$service", ".*").replace("$__rate_interval", "30s")
                if not plain.startswith("label_values"):  # Grafana's own
                    assert (query, bool(ask("query", query=plain)["result"])) == (query, True)
            (target,) = ask("targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
            kinds = {name: facts[0]["type"] for name, facts in ask("metadata").items()}
            assert kinds["smanager_command_duration_seconds"] == "histogram"
        finally:
            prometheus.terminate()
