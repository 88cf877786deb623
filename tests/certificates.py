"""Certificates that tests make of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

CLIENTS = ("viewer", "operator", "odd", "root", "expired")


def make_certificates(directory: Path, clients: Sequence[str] = CLIENTS) -> None:
    """An authority, and by it a server and some clients; one who is called `expired` is."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # without it Python 3.13 trusts none
    openssl("req", "-x509", *new, *usage, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=tests")
    for name, extension in (
        ("server", "DNS:localhost,IP:127.0.0.1"),
        *((client, f"DNS:{'root' if client == 'expired' else client}") for client in clients),
    ):
        identifiers = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        (directory / "extension").write_text(f"subjectAltName={extension}\n{identifiers}")
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        days = "-1" if name == "expired" else "2"
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extension", "-days", days)
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing)
        both = (directory / f"{name}.crt").read_text() + (directory / f"{name}.key").read_text()
        (directory / f"{name}.pem").write_text(both)
        (directory / f"{name}.pem").chmod(0o600)
