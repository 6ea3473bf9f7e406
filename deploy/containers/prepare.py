"""`python -m deploy.containers.prepare DIR`: what a demo chain of two clinics needs before its first start.

Keys, certificates, passwords and brokers' directories, each made once and kept. Files that a process of user
10001 reads are its alone; what engines of other users read is open inside a directory that is not.
"""

import os
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from broker.acl import User
from broker.contract import Role
from broker.mosquitto import render_central, render_site
from broker.mosquitto.render import Central, Certificates
from deploy import simulated_operator
from deploy.containers.authority import EVERYBODY, OWNER, Authority, write
from deploy.local import identity_token_path, site_devices
from services.controller.therapist import rights
from services.kit import clearance
from services.kit.auth import tokens
from services.kit.auth.operators import bedside_key_path, ensure_bedside_key
from services.kit.auth.principal import Grant, Principal
from services.kit.errors import SpondylError, refusals_in_one_line

OWN: Final = 10001  # user and group of every process of ours
BEDS, SITES = 6, 2
IN_CONTAINER: Final = Path("/var/lib/spondyl")  # where a broker finds what is rendered here
PORT: Final = 8883
ANY: Final = "0.0.0.0"  # noqa: S104  (of the container; what reaches it, its networks say)
SERVICES: Final[tuple[Role, ...]] = ("telemetry", "console", "screening", "scheduler", "billing", "homecare")
DATABASES: Final = ("archive", "console", "screening", "scheduler", "billing", "homecare", "registry")
HERE: Final = ("localhost", "127.0.0.1")


def main() -> None:
    """Make what is missing below the directory that is named."""
    with refusals_in_one_line():
        if len(sys.argv) != 2:  # noqa: PLR2004  (the program and one argument)
            raise SpondylError("which directory? `python -m deploy.containers.prepare DIR`")
        prepare(Path(sys.argv[1]).resolve())


def prepare(directory: Path) -> None:
    """Centre and clinics below ``directory``, owned by user 10001 where we may give them away."""
    os.umask(0o077)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    dealt = site_devices(BEDS, SITES)
    if (directory / "centre.env").exists():
        raise SpondylError(
            f"{directory} is a centre of its own (`centre.env`): the demo needs another directory"
        )
    authority = Authority(directory / "authority")
    centre = directory / "centre"
    keys(centre)
    _faults(centre, dealt)
    operator = simulated_operator.ensure(centre)
    write(centre / "secrets" / "operator-pin", operator.pin.encode(), OWNER)
    _certificates(authority, centre, dealt)
    passwords(centre / "secrets")
    _central_broker(centre, dealt)
    for name in ("registry", "backups"):
        (directory / name).mkdir(exist_ok=True, mode=0o700)
    for site, devices in dealt.items():
        _clinic(authority, centre, directory / "clinics" / site, site, devices)
    give_away(directory)


def keys(centre: Path) -> None:
    """What tokens, clearances and digests of PINs are made with, and a token for names; made when missing."""
    access = tokens.ensure_keys(centre)
    clearance.ensure_keys(centre)
    ensure_bedside_key(centre)
    token = identity_token_path(centre)
    if not token.exists():
        who = Principal("scheduler", "scheduler", (Grant("identity"),))
        minted = tokens.mint(access.private, who, tokens.LONGEST_S, audiences=(tokens.SCREENING,))
        write(token, minted.encode(), OWNER)


def _faults(centre: Path, sites: Iterable[str]) -> None:
    """What the simulated therapist sets a scenario's faults with; a year, as all that is not for people."""
    for site in sites:
        token = rights.faults_path(centre, site)
        if not token.exists():
            minted = rights.faults_token(tokens.keys_of(centre).private, site, tokens.LONGEST_S)
            write(token, minted.encode(), OWNER)


def _certificates(authority: Authority, centre: Path, dealt: Mapping[str, Sequence[str]]) -> None:
    own = centre / "secrets"
    _copy(authority.certificate_path, own / "ca.crt", EVERYBODY)
    authority.issue(own, "mqtt", "mqtt", ("mqtt", *HERE))
    authority.issue(own, "proxy", "proxy", ("proxy", *HERE))
    for name in (*SERVICES, "integrator"):
        authority.issue(own, name, name)
    for site in dealt:
        authority.issue(own, f"bridge-{site}", f"bridge-{site}")


def passwords(own: Path) -> None:
    """Of the stores, one a service and database; and what stores and services read them from."""
    names = ("redis", "postgres", "store", "grafana", "backup", *DATABASES)
    made = {name: _password(own, name) for name in names}
    redis = (
        "bind * -::*", "port 6379", f'requirepass "{made["redis"]}"', "dir /data", "appendonly yes",
        "appendfsync always", 'save ""', "maxmemory 512mb", "maxmemory-policy noeviction", "",
    )  # fmt: skip
    write(own / "redis.conf", "\n".join(redis).encode(), EVERYBODY)
    write(own / "redis-url", f"redis://:{made['redis']}@redis:6379/0".encode(), OWNER)
    write(own / "postgres-password", made["postgres"].encode(), EVERYBODY)
    write(own / "grafana-password", made["grafana"].encode(), EVERYBODY)
    write(own / "store-secret", made["store"].encode(), OWNER)
    roles = "".join(
        f"CREATE ROLE {name} LOGIN PASSWORD '{made[name]}';\n"
        f"CREATE DATABASE {name} OWNER {name};\n"
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC;\n"
        for name in DATABASES
    )
    write(own / "databases.sql", roles.encode(), EVERYBODY)
    for name in DATABASES:
        url = f"postgresql+psycopg://{name}:{made[name]}@db:5432/{name}"
        write(own / f"{name}-database", url.encode(), OWNER)


def _password(own: Path, name: str) -> str:
    """One made once: letters and digits, -, _: safe in a URL and in SQL."""
    path = own / f"{name}.password"
    if not path.exists():
        write(path, secrets.token_urlsafe(24).encode(), OWNER)
    return path.read_text()


def _central_broker(centre: Path, dealt: Mapping[str, Sequence[str]]) -> None:
    users = [User(role, role) for role in (*SERVICES, "integrator")]
    users += [_gateway(f"bridge-{site}", site, devices) for site, devices in dealt.items()]
    conf = render_central(
        centre / "mosquitto", host=ANY, port=PORT, users=users, certificates=_tls("mqtt", "ca")
    )
    _as_mounted(conf)


def _clinic(authority: Authority, centre: Path, clinic: Path, site: str, devices: Sequence[str]) -> None:
    own, given = clinic / "secrets", centre / "secrets"
    for name in ("access.pub", "clearance.pub"):
        _copy(given / name, own / name, EVERYBODY)
    _copy(bedside_key_path(centre), bedside_key_path(clinic), OWNER)
    _copy(authority.certificate_path, own / "ca.crt", EVERYBODY)
    for kind in ("crt", "key"):
        mode = EVERYBODY if kind == "crt" else OWNER
        _copy(given / f"bridge-{site}.{kind}", own / f"bridge.{kind}", mode)
    brokers, panels = ("site-mqtt", f"site-mqtt-{site}"), ("gateway", f"gateway-{site}")
    authority.issue(own, "mqtt", "site-mqtt", (*brokers, *HERE))
    authority.issue(own, "gateway", f"gw-{site}", (*panels, *HERE))
    conf = render_site(
        clinic / "mosquitto", site=site, host=ANY, port=PORT,
        users=[_gateway(f"gw-{site}", site, devices)],
        central=Central(f"mqtt:{PORT}", f"bridge-{site}", "-", _tls("bridge", "ca")),
        certificates=_tls("mqtt", "ca"),
    )  # fmt: skip
    _as_mounted(conf)


def _gateway(user: str, site: str, devices: Sequence[str]) -> User:
    """The gateway's rights at its own broker, and those of the bridge that speaks for it at the centre."""
    return User("gateway", user, "-", site, f"gw-{site}", tuple(devices))


def _tls(name: str, ca: str) -> Certificates:
    own = IN_CONTAINER / "secrets"
    return Certificates(own / f"{ca}.crt", own / f"{name}.crt", own / f"{name}.key")


def _as_mounted(conf: Path) -> None:
    text = conf.read_text().replace(str(conf.parent), str(IN_CONTAINER / "mosquitto"))
    write(conf, text.encode(), OWNER)


def _copy(source: Path, target: Path, mode: int) -> None:
    if not target.exists():
        write(target, source.read_bytes(), mode)


def give_away(directory: Path) -> None:
    """To user 10001, all of it, where we may."""
    if os.geteuid() != 0:
        return
    os.chown(directory, OWN, OWN)
    for path in directory.rglob("*"):
        os.chown(path, OWN, OWN, follow_symlinks=False)


if __name__ == "__main__":
    main()
