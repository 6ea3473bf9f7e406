"""Writes a broker's directory: mosquitto.conf, access list and hashed passwords, for its owner only."""

import base64
import getpass
import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from broker import topics
from broker.acl import User, acl_for
from broker.contract import STREAMS

PASSWORD_ROUNDS = 1000  # PBKDF2-SHA512; passwords are random tokens, and every connect costs this much


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of a listener or a bridge: the authority's, one's own, its key; whom a listener refuses."""

    ca: Path
    certificate: Path
    key: Path
    revoked: Path | None = None


@dataclass(frozen=True, slots=True)
class Central:
    """The central broker as a site's bridge reaches it, and as whom: by its certificate, or a password."""

    address: str  # host:port
    username: str = ""
    password: str = ""
    certificates: Certificates | None = None


def render_local(directory: Path, *, host: str, port: int, users: Sequence[User]) -> Path:
    """The broker of one machine in ``directory``; the path of its mosquitto.conf."""
    return _write(directory, "local.conf", users, None, None, host=host, port=str(port))


def render_site(
    directory: Path,
    *,
    site: str,
    host: str,
    port: int,
    users: Sequence[User],
    central: Central,
    certificates: Certificates | None = None,
    seen_as: Path | None = None,
) -> Path:
    """A clinic's broker, bridged to the centre; the path of its mosquitto.conf.

    ``seen_as`` is the directory as the broker itself sees it, where that is another.
    """
    topics.check_name("site", site)
    return _write(
        directory,
        "site.conf",
        users,
        seen_as,
        certificates,
        host=host,
        port=str(port),
        site=site,
        tls=_listener_tls(certificates),
        central_address=_one_line("central address", central.address),
        remote_user=_remote_user(central),
        bridge_tls=_bridge_tls(central.certificates),
        bridge_topics=bridge_topics(site),
    )


def render_central(
    directory: Path,
    *,
    host: str,
    port: int,
    users: Sequence[User],
    certificates: Certificates | None = None,
    seen_as: Path | None = None,
) -> Path:
    """The central broker; the path of its mosquitto.conf."""
    tls = _listener_tls(certificates)
    return _write(directory, "central.conf", users, seen_as, certificates, host=host, port=str(port), tls=tls)


def bridge_topics(site: str) -> str:
    """A site's bridge lines, one a stream: out what its gateways produce, in what they consume."""
    lines = []
    for stream in STREAMS.values():
        for roles, direction in ((stream.producers, "out"), (stream.consumers, "in")):
            if "gateway" in roles:
                lines.append(f"topic {topics.topic_filter(stream, site)} {direction} {stream.qos}")
    return "\n".join(lines)


def hashed(password: str, salt: bytes | None = None) -> str:
    """A password as Mosquitto 2 keeps it: ``$7$rounds$salt$PBKDF2-HMAC-SHA512``."""
    salt = secrets.token_bytes(12) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, PASSWORD_ROUNDS)
    return f"$7${PASSWORD_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _write(
    directory: Path,
    template: str,
    users: Sequence[User],
    seen_as: Path | None,
    certificates: Certificates | None,
    **values: str,
) -> Path:
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    seen = _one_line("directory", str(seen_as or directory))
    by_password = certificates is None  # else a certificate's name is who somebody is, and no password counts
    values |= {
        "directory": seen, "user": getpass.getuser(),
        "passwords": f"password_file {seen}/passwords" if by_password else "",
    }  # fmt: skip
    text = "\n".join(
        Template((files("broker.mosquitto") / name).read_text()).substitute(values)
        for name in (template, "common.conf")
    )
    _private(directory / "acl", acl_for(users))
    if by_password:
        passwords = {user.username: f"{user.username}:{hashed(user.password)}" for user in users}
        _private(directory / "passwords", "".join(f"{line}\n" for line in passwords.values()))
    return _private(directory / "mosquitto.conf", text)


def _private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read, all of it or nothing; one that is so already is left."""
    if path.exists() and path.read_text() == text:
        return path
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return unfinished.replace(path)


def _listener_tls(certificates: Certificates | None) -> str:
    """Both sides show a certificate; the client's name in it is its username."""
    if certificates is None:
        return ""
    revoked = "" if certificates.revoked is None else f"crlfile {certificates.revoked}\n"
    return (
        f"cafile {certificates.ca}\ncertfile {certificates.certificate}\n"
        f"keyfile {certificates.key}\n{revoked}"
        "tls_version tlsv1.2\nrequire_certificate true\nuse_identity_as_username true\n"
    )


def _remote_user(central: Central) -> str:
    """Who the bridge is, where its certificate does not say it."""
    if central.certificates is not None:
        return ""
    return (
        f"remote_username {_one_line('remote username', central.username)}\n"
        f"remote_password {_one_line('remote password', central.password)}"
    )


def _bridge_tls(certificates: Certificates | None) -> str:
    if certificates is None:
        return ""
    return (
        f"bridge_cafile {certificates.ca}\nbridge_certfile {certificates.certificate}\n"
        f"bridge_keyfile {certificates.key}\nbridge_tls_version tlsv1.2\n"
    )


def _one_line(what: str, value: str) -> str:
    """A value that cannot smuggle a line into a configuration."""
    if not value.isprintable() or not value:
        raise ValueError(f"{what} of a broker's configuration must be one printable line")
    return value
