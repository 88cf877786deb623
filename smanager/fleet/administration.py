"""`smanager fleet`: sets up a hub, and says who belongs to its fleet."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from smanager.commands.option_parser import OptionParser
from smanager.fleet import authority, carried
from smanager.fleet.enrolled import EnrolledNode, EnrolledSite, EnrolledUser, HubRecord, listen_address
from smanager.fleet.hub import HubError, server_of
from smanager.fleet.hub_directory import SETTINGS, HubDirectory
from smanager.fleet.keys import new_key
from smanager.fleet.subjects import NAME_EXAMPLE, is_name
from smanager.logs.manager_log import write_all
from smanager.service import VIEW
from smanager.system.errors import in_words

DEFAULT_HUB = Path("hub")
DEFAULT_LISTEN = "0.0.0.0:4222"
THIS_MACHINE = ("localhost", "127.0.0.1")
HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
CA_LIMIT = 1024 * 1024  # characters of a file of authorities: a whole system's are some 200,000


def is_about_hub(words: Sequence[str]) -> bool:
    """Whether the words after `fleet` are for this program; all others are for the service `fleet` of a manager."""
    return bool(words) and (words[0] in ("-h", "--help") or words[0] in VERBS)


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line that begins with `fleet`; returns the exit status. Raises HubError."""
    options = parser().parse_args(arguments)
    for line in options.act(options):
        with suppress(BrokenPipeError):  # the reader has seen enough
            write_all(sys.stdout.fileno(), f"{line}\n".encode())
    return 0


def parser() -> OptionParser:
    top = OptionParser(prog="smanager", description="Set up the hub of a fleet.")
    about = "Set up the hub of a fleet, and say who belongs to it."
    fleet = top.add_subparsers(required=True, metavar="fleet").add_parser("fleet", help=about, description=about)
    verbs = fleet.add_subparsers(required=True, metavar="VERB")
    for name, (act, add_arguments) in VERBS.items():
        description = (act.__doc__ or "").partition("\n")[0]
        verb = verbs.add_parser(name, help=description, description=description)
        verb.set_defaults(act=act)
        add_arguments(verb)
    return top


def init(options: argparse.Namespace) -> Iterator[str]:
    """Make the directory of a new hub, with its certificate and the configuration of its NATS server."""
    names = options.name or [socket.gethostname()]
    port = options.listen.rpartition(":")[2]
    servers = tuple(server_of(f"tls://{_host(name)}:{port}") for name in names)
    record = HubRecord(options.listen, servers, *_certificate_files(options), {}, {}, {})
    hub = HubDirectory(options.directory)

    def make_certificates() -> None:
        if not options.cert:
            authority.make_certificates(hub.path, tuple(dict.fromkeys((*names, *THIS_MACHINE))))

    hub.create(record, make_certificates)
    elsewhere = "" if options.directory == DEFAULT_HUB else f" --hub {shlex.quote(str(options.directory))}"
    yield f"{options.directory} is the hub of {', '.join(servers)}. What to type next:"
    yield f"  nats-server -c {shlex.quote(str(options.directory / SETTINGS))}"
    yield f"  smanager fleet add-user NAME --roles operate{elsewhere}"
    yield f"  smanager fleet add-node NAME -l site=SITE{elsewhere}"


def _certificate_files(options: argparse.Namespace) -> tuple[str, str, str]:
    """The files of the certificate, its key and the authority. Raises HubError."""
    if not (options.cert or options.key or options.ca):
        return authority.CERTIFICATE, authority.KEY, authority.CA
    if not (options.cert and options.key):
        raise HubError("a certificate needs both --cert and --key; --ca names its authority if systems do not know it")
    for path in filter(None, (options.cert, options.key, options.ca)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise HubError(f"{path}: {in_words(error)}") from None
    cert, key, ca = (str(path.absolute()) if path else "" for path in (options.cert, options.key, options.ca))
    return cert, key, ca


def add_node(options: argparse.Namespace) -> Iterator[str]:
    """Enrol a box: makes a directory NAME here, to be carried to the box."""
    name, labels, hub = options.name, dict(options.label), HubDirectory(options.hub)
    if len(labels) < len(options.label):
        raise HubError("a label has two values, and should have one")
    with hub.changing() as record:
        _require_new(name, record)
        key = new_key()
        record = record._replace(nodes={**record.nodes, name: EnrolledNode(key.public, labels)})
        carried.write_new(carried.files_of_node(name, record, key.seed, _ca(hub, record)), Path())
        yield f"{name}/ is for the box: move it to beside its smanager.toml; there, type"
        yield f"  cat {name}/fleet.toml >> smanager.toml"
        yield _written(hub, record)


def add_user(options: argparse.Namespace) -> Iterator[str]:
    """Enrol a user: makes a file NAME.toml here for `tshell --fleet NAME.toml`, and files that it names."""
    name, roles, hub = options.name, options.roles, HubDirectory(options.hub)
    with hub.changing() as record:
        _require_new(name, record)
        key = new_key()
        record = record._replace(users={**record.users, name: EnrolledUser(key.public, roles)})
        files = carried.files_of_user(name, record, key.seed, _ca(hub, record))
        carried.write_new(files, Path())
        first, *others = files
        yield f"{first} is for {name}, with {' and '.join(others)} beside it: tshell --fleet {first}"
        if record.nodes:
            yield f"roles in [fleet] of the nodes that are there already need: {carried.role_entry(name, roles)}"
        yield _written(hub, record)


def add_site(options: argparse.Namespace) -> Iterator[str]:
    """Enrol a hub elsewhere, whose nodes are to answer here: makes a file NAME.conf here for that hub."""
    name, hub = options.name, HubDirectory(options.hub)
    with hub.changing() as record:
        _require_new(name, record)
        key = new_key()
        record = record._replace(sites={**record.sites, name: EnrolledSite(key.public)})
        files = carried.files_of_site(name, record, key.seed, _ca(hub, record))
        carried.write_new(files, Path())
        yield f"{' and '.join(files)} are for the site: move them into the directory of its own hub; there, type"
        yield f"  cat hub/{name}.conf >> hub/extra.conf"
        yield _written(hub, record)


def remove(options: argparse.Namespace) -> Iterator[str]:
    """Revoke a user or a node, whose connections the hub closes, or a site, for which it has to be restarted."""
    hub = HubDirectory(options.hub)
    with hub.changing() as record:
        if not record.holds(options.name):
            known = ", ".join([*record.users, *record.nodes, *record.sites]) or "nobody"
            raise HubError(f"{options.name} is not enrolled; enrolled: {known}")
        yield _written(hub, record.without(options.name))
        if options.name in record.sites:
            yield f"{options.name} stays connected until nats-server is restarted"


def show(options: argparse.Namespace) -> Iterator[str]:
    """List the users, the nodes and the sites."""
    record = HubDirectory(options.hub).record()
    for name, user in record.users.items():
        yield f"{name}\tuser\t{','.join(user.roles)}"
    for name, node in record.nodes.items():
        yield f"{name}\tnode\t{','.join(f'{key}={value}' for key, value in node.labels.items())}"
    for name in record.sites:
        yield f"{name}\tsite\t"


def reload(options: argparse.Namespace) -> Iterator[str]:
    """Write nats.conf anew from fleet.json, and have a running hub read it."""
    hub = HubDirectory(options.hub)
    with hub.changing() as record:
        yield _written(hub, record)


def _written(hub: HubDirectory, record: HubRecord) -> str:
    """Make the record the hub's, and say what has become of it. Raises HubError."""
    if hub.write(record):
        return "the running hub has taken the change"
    settings = hub.path / SETTINGS
    return f"no nats-server with {settings} was found; one that starts, or is sent SIGHUP, takes the change"


def _require_new(name: str, record: HubRecord) -> None:
    if record.holds(name):
        raise HubError(f"{name} is enrolled already; `smanager fleet remove {name}` revokes it")


def _ca(hub: HubDirectory, record: HubRecord) -> str:
    """The certificates of the hub's authority, if members need them. Raises HubError."""
    if not record.ca:
        return ""
    path = hub.path / record.ca
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(CA_LIMIT)
    except OSError as error:
        raise HubError(f"{path}: {in_words(error)}") from None


def _host(name: str) -> str:
    """The host of an address. Raises HubError."""
    if HOST.fullmatch(name) or authority.is_address(name):
        return f"[{name}]" if ":" in name else name
    raise HubError(f"the hub has the name {name!r}, and should have one such as hub.example; --name gives it one")


def _add_init(verb: OptionParser) -> None:
    verb.add_argument("directory", nargs="?", type=_path, default=DEFAULT_HUB, metavar="DIR", help=_DEFAULT_HELP)
    verb.add_argument(
        "--name",
        action="append",
        metavar="HOST",
        help="a name or address by which nodes and users reach the hub; may be repeated (default: this host's name)",
    )
    verb.add_argument(
        "--listen",
        type=_listen,
        default=DEFAULT_LISTEN,
        metavar="ADDRESS:PORT",
        help=f"where the hub takes connections (default: {DEFAULT_LISTEN})",
    )
    verb.add_argument("--cert", type=_path, metavar="FILE", help="a certificate in place of one that is made")
    verb.add_argument("--key", type=_path, metavar="FILE", help="its private key")
    verb.add_argument("--ca", type=_path, metavar="FILE", help="its authority, if systems do not know that")


def _add_enrolment_of_node(verb: OptionParser) -> None:
    _add_member(verb)
    label = "a label such as site=lab3; may be repeated"
    verb.add_argument("-l", "--label", action="append", type=_label, default=[], metavar="KEY=VALUE", help=label)


def _add_enrolment_of_user(verb: OptionParser) -> None:
    _add_member(verb)
    roles = f"roles that nodes should give the user, separated by commas (default: {VIEW})"
    verb.add_argument("--roles", type=_roles, default=(VIEW,), help=roles)


def _add_member(verb: OptionParser) -> None:
    verb.add_argument("name", type=_name, metavar="NAME", help=NAME_EXAMPLE)
    _add_hub(verb)


def _add_hub(verb: OptionParser) -> None:
    verb.add_argument("--hub", type=_path, default=DEFAULT_HUB, metavar="DIR", help=_DEFAULT_HELP)


_DEFAULT_HELP = f"the hub's directory (default: {DEFAULT_HUB})"


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - a Path raises RuntimeError for the home of an unknown user


def _name(text: str) -> str:
    if not is_name(text):
        raise argparse.ArgumentTypeError(f"{text!r} should be {NAME_EXAMPLE}")
    return text


def _label(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not (is_name(key) and is_name(value)):
        raise argparse.ArgumentTypeError(f"{text!r} should be KEY=VALUE, each of {NAME_EXAMPLE}")
    return key, value


def _roles(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _listen(text: str) -> str:
    try:
        return listen_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


VERBS: Mapping[str, tuple[Callable[[argparse.Namespace], Iterator[str]], Callable[[OptionParser], None]]] = {
    "init": (init, _add_init),
    "add-node": (add_node, _add_enrolment_of_node),
    "add-user": (add_user, _add_enrolment_of_user),
    "add-site": (add_site, _add_member),
    "remove": (remove, _add_member),
    "list": (show, _add_hub),
    "reload": (reload, _add_hub),
}
"""The verbs: what each does, and what adds its arguments."""
