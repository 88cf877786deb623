"""What a client's certificate tells of its holder."""

from __future__ import annotations

import pytest

from smanager.access.certificates import names_in


def certificate(*names: str, **subject: str) -> dict[str, object]:
    """A certificate as the ssl module gives it, with alternative names in the form KIND:VALUE."""
    return {
        "subject": tuple(((key, value),) for key, value in subject.items()),
        "subjectAltName": tuple(tuple(name.split(":", 1)) for name in names),
    }


def test_a_name_of_another_kind_is_never_a_users_name() -> None:
    found = names_in(certificate("DNS:laptop", "URI:root", "email:root", organizationName="lab", commonName="anna"))
    assert found == ["anna", "CN:anna", "laptop", "DNS:laptop", "URI:root", "email:root"]
    assert names_in({}) == []


@pytest.mark.parametrize(
    "kind", ["email", "URI", "DNS", "CN", "IP Address", "othername", "EMAIL", " uri", "Registered ID"]
)
def test_no_common_or_host_name_passes_for_a_name_of_another_kind(kind: str) -> None:
    assert names_in(certificate(commonName=f"{kind}:root")) == [f"CN:{kind}:root"]
    assert names_in(certificate(f"DNS:{kind}:root")) == [f"DNS:{kind}:root"]


def test_a_colon_alone_makes_no_kind() -> None:
    assert names_in(certificate(commonName="backup:nightly")) == ["backup:nightly", "CN:backup:nightly"]
    assert names_in(certificate(commonName="email")) == ["email", "CN:email"]


def test_of_several_common_names_the_subjects_own_counts() -> None:
    subject = ((("commonName", "root"),), (("commonName", "anna"), ("userId", "root")))
    assert names_in({"subject": subject}) == ["anna", "CN:anna"]


def test_what_is_not_text_is_not_a_name() -> None:
    directory = ("DirName", ((("commonName", "root"),),))
    assert names_in({"subjectAltName": (directory, ("othername", "<unsupported>"))}) == []
    assert names_in(certificate(commonName="root\0.example.org"))[0] != "root"
