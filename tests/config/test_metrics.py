"""The table of metrics: what is made of it, and what is said about a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from smanager.config.file import read_file
from smanager.config.metrics import FILE


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("", {"file": None, "listen": None}),
        ('file = "/x/a.prom"', {"file": "/x/a.prom", "listen": None}),
        ('file = "a.prom"', {"file": "HERE/a.prom", "listen": None}),
        ('listen = "127.0.0.1:9109"', {"file": None, "listen": ("127.0.0.1", 9109)}),
        ('listen = "[::1]:0"', {"file": None, "listen": ("::1", 0)}),
        ('listen = "0.0.0.0:1"\ninsecure = true', {"file": None, "listen": ("0.0.0.0", 1)}),
        ('listen = ":1"\ninsecure = true', {"file": None, "listen": ("", 1)}),
    ],
)
def test_the_service_of_metrics_comes_with_its_table(tmp_path: Path, table: str, options: dict[str, object]) -> None:
    (tmp_path / "smanager.toml").write_text(f"[metrics]\n{table}\n")
    file = read_file(tmp_path / "smanager.toml")
    services = file.services([tmp_path])
    assert (services.shipped, file.problems) == ((FILE,), [])
    if options["file"]:
        options["file"] = str(options["file"]).replace("HERE", str(tmp_path))
    exposed = "insecure" in table
    assert services.settings["metrics"] == {"roles": ["view"], "options": {**options, "exposed": exposed}}


def test_its_roles_may_be_others(tmp_path: Path) -> None:
    (tmp_path / "smanager.toml").write_text('[metrics]\n[services.metrics]\nroles = ["few"]\nlog_files = 2\n')
    settings = read_file(tmp_path / "smanager.toml").services([tmp_path]).settings["metrics"]
    assert (settings["roles"], settings["log_files"]) == (["few"], 2)


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        (
            'file = "a.txt"',
            "file is 'a.txt', and should be a path that ends in .prom, for node_exporter reads no other files",
        ),
        ("file = 5", "file is 5, and should be a path that ends in .prom"),
        ('listen = "9109"', 'listen is \'9109\', and should be an address such as "127.0.0.1:9109" or "[::1]:9109"'),
        ("listen = 9109", "listen is 9109, and should be an address"),
        ('listen = "127.0.0.1:70000"', "listen is '127.0.0.1:70000', and should be an address"),
        (
            'listen = "0.0.0.0:9109"',
            "listen is '0.0.0.0:9109', where other machines could read all metrics; use 127.0.0.1, or set insecure "
            "= true if you mean it",
        ),
        ('listen = ":9109"', "listen is ':9109', where other machines could read all metrics"),
        ("interval = 5", "there is no setting 'interval'; there are: file, insecure, listen"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(tmp_path: Path, table: str, wrong: str) -> None:
    path = tmp_path / "smanager.toml"
    path.write_text(f"[metrics]\n{table}\n")
    file = read_file(path)
    file.services([tmp_path])
    (problem,) = file.problems
    assert problem.startswith(f"{path}: [metrics] {wrong}")
