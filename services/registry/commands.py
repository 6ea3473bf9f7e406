"""What the registry adds to `spondyl`: gateways at the centre and at the clinic, the chain's authority."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.kit.options import AsJson, Data

if TYPE_CHECKING:
    from services.registry.desk import Desk


class Step(StrEnum):
    """Of the change to a new authority."""

    prepare = "prepare"
    activate = "activate"


def register(root: typer.Typer) -> None:
    """Add `spondyl gateway` and `spondyl registry`."""
    gateway = typer.Typer(
        help="Gateways of the chain: docs/operations.md.", no_args_is_help=True, rich_markup_mode=None
    )
    for command in (enrol, revoke, renew, join):
        gateway.command(command.__name__)(command)
    gateway.command("list")(list_all)
    root.add_typer(gateway, name="gateway")
    registry = typer.Typer(
        help="The chain's own authority: docs/operations.md.", no_args_is_help=True, rich_markup_mode=None
    )
    registry.command("issue")(issue)
    registry.command("write")(write)
    registry.command("rotate")(rotate)
    root.add_typer(registry, name="registry")


# --- at the centre ----------------------------------------------------------------------------------------
def enrol(
    name: Annotated[str, typer.Argument(help="The gateway's name: it begins with gw-.")],
    site: Annotated[str, typer.Option(help="The clinic it stands in.")],
    devices: Annotated[str, typer.Option(help="Its beds, between commas.")],
    host: Annotated[
        list[str] | None,
        typer.Option(
            help="One more name that the clinic's broker and panel are reached by; repeat it for several.",
            show_default="localhost, 127.0.0.1, site-mqtt, gateway",
        ),
    ] = None,
    minutes: Annotated[int, typer.Option(help="How long the code is good: 1 to 1440.")] = 30,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an enrolment code for a gateway, new or known; it is shown here once and opens the door once."""
    from services.kit.auth.principal import SYSTEM
    from services.registry import enrolling
    from services.registry.models import HOSTS, Enrolling, shown

    wanted: dict[str, Any] = {
        "name": name, "site": site, "devices": [part.strip() for part in devices.split(",") if part.strip()],
        "minutes": minutes, "hosts": tuple(dict.fromkeys((*HOSTS, *(host or ())))),
    }  # fmt: skip
    asked = _asked(Enrolling, wanted)
    desk = _desk(data)
    code, ends_us = enrolling.enrol(desk, SYSTEM, asked)
    made = {"gateway": name, "site": site, "code": code.text, "expires_at": shown(ends_us)}
    if as_json:
        print(json.dumps(made))
        return
    print(code.text)
    print(f"good until {made['expires_at']}, once; at the clinic, as one line:")
    print("  spondyl gateway join --centre https://CENTRE --code CODE --data DIR")


def revoke(
    name: Annotated[str, typer.Argument(help="A gateway or an integrator.")],
    reason: Annotated[str, typer.Option(help="Why: it stands in the audit trail.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """End its access: certificates, rights at the brokers and codes end; nothing that it sent is lost."""
    from services.kit.auth.principal import SYSTEM
    from services.registry import revoking
    from services.registry.models import Revoking

    asked = _asked(Revoking, {"reason": reason})
    member, count = revoking.revoke(_desk(data), SYSTEM, name, asked.reason)
    if as_json:
        print(json.dumps({"gateway": name, "site": member.site, "certificates": count}))
        return
    print(f"{name} is revoked: {count} certificates hold no more, the central broker refuses it from now on")


def list_all(data: Data = None, as_json: AsJson = False) -> None:
    """Every gateway and integrator: site, beds, release, until when its certificate holds."""
    from services.kit.auth.principal import SYSTEM
    from services.registry import showing

    rows = showing.gateways(_desk(data), SYSTEM)
    if as_json:
        print(json.dumps({"gateways": rows}))
        return
    for row in rows:
        beds = ", ".join(row["devices"]) or row["role"]
        until = row["certificate_until"] or "no certificate"
        print(
            f"{row['name']}  {row['site'] or '*'}  {row['state']}  {until}  {row['version'] or '-'}  {beds}"
        )


def issue(
    name: Annotated[str, typer.Argument(help="Whose: integrator, or integrator-SOMETHING.")],
    out: Annotated[Path, typer.Option(help="Directory for key, certificate and the authorities.")],
    site: Annotated[str | None, typer.Option(help="The only site it reads.", show_default="every")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A certificate for an integrator, which reads and never writes; its key is kept nowhere else."""
    from services.kit.auth.principal import SYSTEM
    from services.registry import integrators

    integrators.issue(_desk(data), SYSTEM, name, site, out)
    told = {"name": name, "site": site, "directory": str(out)}
    print(json.dumps(told) if as_json else f"{out}/{name}.crt, {name}.key and ca.crt are written")


def write(data: Data = None, as_json: AsJson = False) -> None:
    """Write the centre's certificates and its broker's directory, where they are not current."""
    from services.registry import files

    desk = _desk(data)
    files.write_all(desk)
    directory = str(desk.settings.centre)
    print(json.dumps({"directory": directory}) if as_json else f"{directory} is current")


def rotate(
    step: Annotated[Step, typer.Argument(help="prepare: it is trusted; activate: it signs.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """A new authority, in two steps: first everybody learns to trust it, then it signs."""
    from services.kit import pki
    from services.kit.auth.principal import SYSTEM
    from services.registry import files
    from services.registry.authority import Authorities

    desk = _desk(data)
    act = Authorities.prepare if step is Step.prepare else Authorities.activate
    made = act(desk.settings.directory, desk.now())
    name = pki.fingerprint(made.certificate).hex()
    desk.write_down(SYSTEM, f"authority.{step.value}d", name[:40], None)
    files.write_all(desk)
    if as_json:
        print(json.dumps({"step": step.value, "fingerprint": name}))
        return
    then = "trusted; it signs after `activate`" if step is Step.prepare else "the one that signs now"
    print(f"the authority {name[:16]} is {then}")


# --- at the clinic ----------------------------------------------------------------------------------------
def join(
    centre: Annotated[str, typer.Option(help="The registry's address, https://...")],
    code: Annotated[str, typer.Option(help="The enrolment code; - asks for it, so that no list shows it.")],
    data: Data = None,
    listen: Annotated[str, typer.Option(help="Address and port of the clinic's broker.")] = "127.0.0.1:8883",
    seen_as: Annotated[
        str, typer.Option(help="The directory as containers see it.", show_default="its own path")
    ] = "",
    broker: Annotated[
        str,
        typer.Option(
            help="The clinic's broker on another machine, mqtts://HOST:PORT.", show_default="this one's"
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make this machine the gateway that the code is for: keys are made here, its broker is set up."""
    import sys

    from services.kit.enrolment import compose, joining
    from services.kit.enrolment.machine import Machine
    from services.kit.runfile import data_directory

    if code == "-":
        code = typer.prompt("enrolment code") if sys.stdin.isatty() else sys.stdin.readline()
    directory = data_directory(data)
    joined = joining.join(directory, centre, code, joining.Place(listen, seen_as, broker))
    environment = Machine(directory).environment(joined)
    told = compose.write(directory, joined) if seen_as else None
    if as_json:
        print(json.dumps(joined.model_dump() | {"environment": environment}))
        return
    print(f"this is {joined.gateway} of site {joined.site} now, with {', '.join(joined.devices)}")
    if told is not None:
        print(f"its containers: docker compose --env-file {told} -f deploy/compose.yaml up -d")
        return
    print(
        f"its broker's configuration is {directory / 'mosquitto' / 'mosquitto.conf'}; the gateway is told by"
    )
    for name, value in environment.items():
        print(f"  {name}={value}")


def renew(
    data: Data = None,
    at_once: Annotated[bool, typer.Option("--at-once", help="New certificates, due or not.")] = False,
    as_json: AsJson = False,
) -> None:
    """What a gateway does by itself every hour: what is new of its site, certificates that are due."""
    from services.kit.enrolment import joining
    from services.kit.runfile import data_directory

    joined, parts = joining.renew(data_directory(data), now_at_once=at_once)
    if as_json:
        print(json.dumps({"gateway": joined.gateway, "renewed": list(parts)}))
        return
    print(f"{joined.gateway}: renewed {', '.join(parts) or 'nothing, no certificate is due'}")


def _desk(data: Path | None) -> "Desk":
    from services.kit.runfile import data_directory
    from services.registry.desk import open_desk
    from services.registry.settings import RegistrySettings

    return open_desk(RegistrySettings.load().model_copy(update={"data": data_directory(data)}))


def _asked(model: Any, values: dict[str, Any]) -> Any:
    """The request, or one line that says which option is wrong. Raises SpondylError."""
    from pydantic import ValidationError

    from services.kit.errors import SpondylError

    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SpondylError(f"{where} is {first['input']!r}: {first['msg']}") from None
