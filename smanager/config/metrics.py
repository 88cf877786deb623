"""Where metrics are shown: `[metrics]` of `smanager.toml`, checked, for the service that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smanager.config import checks
from smanager.config.checks import SettingsError, checked, keys_of, setting
from smanager.config.listener import is_loopback
from smanager.config.shipped import ShippedService, Tables
from smanager.service import VIEW

SERVICE = "metrics"
FILE = Path(__file__).parents[1] / "metrics" / "metrics.py"
"""The service that shows metrics, and the file of its class."""

SUFFIX = ".prom"


@checks.expected(f"a path that ends in {SUFFIX}, for node_exporter reads no other files")
def _file(value: object) -> Path:
    path = checks.path(value)
    if path.suffix != SUFFIX:
        raise ValueError
    return path


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where metrics are shown, besides the command `metrics`."""

    file: Path | None = setting(_file, "file that is written again and again, for node_exporter's textfile collector")
    listen: tuple[str, int] | None = setting(
        checks.address("127.0.0.1:9109", "[::1]:9109"),
        "address and port to serve /metrics and /healthz at; port 0 picks a free port",
    )
    insecure: bool = setting(checks.boolean, "whether other machines may read at `listen`, without a login", False)


KEYS = keys_of(MetricsSettings)


def shipped(tables: Tables) -> ShippedService:
    """The service that shows metrics."""
    options: dict[str, object] = {}
    with tables.table("metrics"):
        settings = MetricsSettings(**checked(tables.given["metrics"], KEYS))
        is_exposed = settings.listen is not None and not is_loopback(settings.listen[0])
        if is_exposed and not settings.insecure:
            raise SettingsError(
                f"listen is {tables.given['metrics']['listen']!r}, where other machines could read all metrics; use "
                "127.0.0.1, or set insecure = true if you mean it"
            )
        options = {
            "file": settings.file and str(tables.base / settings.file),
            "listen": settings.listen,
            "exposed": is_exposed,
        }
    return ShippedService(SERVICE, FILE, {"options": options}, {"roles": [VIEW]})
