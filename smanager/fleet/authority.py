"""A hub's own certificate authority, made by the program `openssl`: Python's ssl makes no certificates."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from smanager.fleet.hub import HubError

CA, CA_KEY, CERTIFICATE, KEY = "ca.pem", "ca.key", "server.pem", "server.key"

DAYS = 3650  # nobody would be told that the hub of a small fleet needs a new certificate
SECONDS = 60.0  # for one call of openssl, which takes milliseconds

CONFIGURATION = """\
[req]
distinguished_name = subject
prompt = no
[subject]
CN = {subject}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""
"""For all steps, whatever the system's own configuration says. A server of a cluster is a client of the others."""


def make_certificates(directory: Path, names: Sequence[str]) -> None:
    """Make an authority, and a certificate by it for a server of these names and addresses. Raises HubError."""
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    with tempfile.TemporaryDirectory() as work:
        requested, authority, server = (Path(work, name) for name in ("request", "authority.cnf", "server.cnf"))
        authority.write_text(CONFIGURATION.format(subject="SManager fleet", names="DNS:unused"))
        server.write_text(CONFIGURATION.format(subject="SManager hub", names=alternative_names(names)))
        signed = ("-x509", "-extensions", "authority", "-days", str(DAYS), "-out", CA)
        _openssl(directory, "req", *new_key, "-config", authority, "-keyout", CA_KEY, *signed)
        _openssl(directory, "req", "-new", *new_key, "-config", server, "-keyout", KEY, "-out", requested)
        by = ("-CA", CA, "-CAkey", CA_KEY, "-CAserial", Path(work, "serial"), "-CAcreateserial", "-days", str(DAYS))
        extensions = ("-extfile", server, "-extensions", "server")
        _openssl(directory, "x509", "-req", "-in", requested, *by, *extensions, "-out", CERTIFICATE)
    for key in (CA_KEY, KEY):
        (directory / key).chmod(0o600)


def alternative_names(names: Sequence[str]) -> str:
    """What a certificate for these names is to say, in the words of openssl."""
    return ",".join(f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in names)


def is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _openssl(directory: Path, *arguments: str | Path) -> None:
    """Raises HubError."""
    try:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=SECONDS)
    except FileNotFoundError:
        raise HubError("certificates need the program openssl: install it, or give --cert and --key") from None
    except subprocess.TimeoutExpired:
        raise HubError(f"openssl {arguments[0]} did not end within {SECONDS:g} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {error.returncode}"]
        raise HubError(f"openssl {arguments[0]}: {said[-1]}") from None
