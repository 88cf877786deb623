"""The page behind a real proxy that is set up as the documentation says."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Server, wait_for
from tests.live.clients import needs
from tests.live.security.conftest import PASSWORD
from tests.live.web.browser import Browser
from tests.live.web.conftest import BOX, page_of

pytestmark = pytest.mark.soak

NAME = "box.example"

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
"""Whose files nginx keeps where only root may write."""

NGINX = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    {temporary}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {files}/server.pem;
        ssl_certificate_key {files}/server.pem;
        {recipe}
    }}
}}
"""


@pytest.fixture
def browser(shared: Callable[..., Server], files: Path, free_port: int, tmp_path: Path) -> Iterator[Browser]:
    """A browser that reaches the page by a name, through nginx."""
    needs("nginx", "nginx-light")
    settings = documented(r"\[web\]\norigins = [^\n]*\nproxies = [^\n]*").replace(f"//{NAME}", f"//{NAME}:{free_port}")
    server = shared(f'{settings}\nlisten = "127.0.0.1:0"\n', files=files, box=BOX)
    recipe = documented(r"location / \{.*?^\}").replace(":10001", f":{page_of(server, files).port}")
    unused = "".join(f"{kind}_temp_path {tmp_path}/{kind}; " for kind in TEMPORARY)
    (tmp_path / "nginx.conf").write_text(
        NGINX.format(directory=tmp_path, files=files, port=free_port, recipe=recipe, temporary=unused)
    )
    with subprocess.Popen(["nginx", "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", "stderr"]) as nginx:
        try:
            wait_for(lambda: is_open(free_port), "nginx")
            yield Browser(free_port, ssl.create_default_context(cafile=str(files / "ca.pem")), "192.0.2.66", name=NAME)
        finally:
            nginx.terminate()


def documented(pattern: str) -> str:
    """What the page on the web page says about proxies."""
    found = re.search(f"^{pattern}", (ROOT / "docs" / "web.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[0]


def is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_the_page_works_behind_nginx_as_documented(browser: Browser) -> None:
    assert b"<!doctype html>" in browser.ask("GET", "/")[1]
    assert browser.open()["login_needed"]
    assert browser.log_in("operator", PASSWORD) == 200
    assert browser.call("whoami")["from"] == "service webpage for 127.0.0.1"  # and not what the browser has said
    assert browser.call("box.open") == "opened"
    assert next(browser.live())[0] == "status"
    kinds = [kind for kind, _ in browser.stream("box.work", {"steps": 2})]
    assert kinds == ["progress", "item", "progress", "item", "progress", "result"]
