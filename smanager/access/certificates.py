"""The names in a client's certificate, by which it may be a user's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {"cn", "dns", "email", "uri", "ip", "ip address", "rid", "registered id", "dirname", "othername"}
KINDS |= {"x400name", "edipartyname"}
"""The kinds of names in certificates as the ssl module and openssl's configuration call them, in lower case."""


def names_in(certificate: Mapping[str, Any]) -> list[str]:
    """The names in a client's certificate, each with its kind (`CN:anna`, `DNS:laptop`, `email:anna@lab.org`).

    The subject's CN and the host names come without their kind as well, since these may be users' names; not where
    such a name itself reads as one with a kind, and so could pass for another name.
    """
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    # The last CN is the one of the subject itself; those before it are of what the subject is in (RFC 4514, 2.1).
    names = [("CN", value) for value in common[-1:]]
    # A directory name is not text, and OpenSSL prints `<unsupported>` for kinds whose values it cannot show.
    others = certificate.get("subjectAltName", ())
    names += [(kind, value) for kind, value in others if isinstance(value, str) and not value.startswith("<")]
    return [form for kind, value in names for form in _forms(kind, value)]


def _forms(kind: str, value: str) -> list[str]:
    begins_with_kind = value.partition(":")[0].strip().lower() in KINDS and ":" in value
    is_plain = kind in ("CN", "DNS") and not begins_with_kind
    return [*([value] if is_plain else []), f"{kind}:{value}"]
