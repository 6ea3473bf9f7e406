"""What commissioning adds to `spondyl bed`: a drive to try with, the check of a drive, its identification."""

import asyncio
import contextlib
import json
from typing import Annotated, Any

import typer

from services.controller.beds import fault_words
from services.kit.errors import SpondylError
from services.kit.options import AsJson, Data

Address = Annotated[str, typer.Argument(help="modbus://HOST:PORT?unit=1")]
FAULT_HELP = "What it does wrong; `list` prints all there is."
FAULT_LIST = "list"
HELP = "Beds: their drives, and faults of simulated ones."
LINK_MS = 5.0  # a quarter of the usual period, as the loop waits


def register(beds: typer.Typer) -> None:
    """Add to the group."""
    beds.callback(invoke_without_command=True, no_args_is_help=True, help=HELP)(drive)
    beds.command("check")(check)
    beds.command("identify")(identify)


def drive(
    context: typer.Context,
    modbus: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Be a drive on this port; 0 takes a free one.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    unit: Annotated[int, typer.Option(min=0, max=255, help="Its Modbus unit.")] = 1,
    serial: Annotated[int, typer.Option(min=1, max=2**32 - 1, help="Its serial number.")] = 1001,
    seed: Annotated[int, typer.Option(min=0, help="Who lies on it.")] = 1,
    calm: Annotated[bool, typer.Option("--calm", help="Somebody who never contracts or coughs.")] = False,
    doll: Annotated[bool, typer.Option("--doll", help="The commissioning doll instead of a person.")] = False,
    fault: Annotated[str, typer.Option(help=FAULT_HELP)] = "",
    every: Annotated[int, typer.Option(min=1, help="Spoil every Nth answer.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Be a drive over Modbus/TCP with a simulated patient in real time, until Ctrl-C."""
    if context.invoked_subcommand is not None:
        if modbus is not None:
            raise SpondylError(f"--modbus {modbus} and {context.invoked_subcommand}: one of them")
        return
    if fault == FAULT_LIST:
        print(fault_words.listing())
        return
    if modbus is None:
        raise SpondylError("--modbus PORT is needed to be a drive; `spondyl bed --help` lists the rest")
    from services.controller.beds import modbus_drive, modbus_server

    constants = modbus_drive.DOLL if doll else ()
    made = modbus_drive.Drive(modbus_drive.Kind(serial, seed, calm=calm or doll, constants=constants))
    answers = modbus_server.break_drive(made, fault)

    def ready(_: modbus_server.Server, port: int) -> None:
        report = {"address": f"modbus://{host}:{port}?unit={unit}", "serial": serial, "fault": fault or None}
        words = f"drive {serial} at {report['address']}" + (f", fault {fault}" if fault else "")
        print(json.dumps(report) if as_json else f"{words}; Ctrl-C ends it", flush=True)

    def server() -> modbus_server.Server:
        return modbus_server.Server(made, host, modbus or 0, unit, answers, every)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(modbus_server.serve(server, ready))


def check(
    address: Address,
    link_ms: Annotated[
        float, typer.Option(min=0.1, max=1000, help="Most that an exchange may take, p99.")
    ] = LINK_MS,
    as_json: AsJson = False,
) -> None:
    """Try reads, units, directions, sign, stops, watchdog, switch, link of a drive; exit 0 if all hold.

    It pulls up to 40 N: the harness on a doll or a post, nobody in it. Refused while anybody commands the
    drive.
    """
    from services.controller.beds.addresses import drive_address
    from services.controller.commissioning import check as checking

    def said(found: checking.Found) -> None:
        if not as_json:
            mark = ("ok" if found.ok else "FAIL") if found.tried else "-"
            print(f"{mark:<4} {found.name:<15} {found.found}", flush=True)
            if found.tried and not found.ok:
                print(f"     wanted: {found.wanted}; to do: {found.todo}")

    report = checking.check(drive_address(address), link_ms, said)
    if as_json:
        print(json.dumps(report))
    if not report["ok"]:
        raise SystemExit(1)


def identify(
    address: Address,
    device: Annotated[str, typer.Option(help="Which bed of this gateway it is.")],
    ceiling_n: Annotated[float, typer.Option(help="Tension of the test pull, 30 to 100.")] = 60.0,
    doll_kg: Annotated[float, typer.Option(min=5, max=200, help="What the doll weighs that slides.")] = 27.0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Measure harness, friction, drive lag and speed by a test pull on a doll; writes the parameters.

    A bed that is beyond what the controller's figures are of is told of, here and at its panel.
    """
    from services.controller.beds.addresses import drive_address
    from services.controller.commissioning import identify as identifying
    from services.controller.commissioning.suitability import doubts
    from services.controller.kernel.layout import KERNEL_VERSION
    from services.controller.settings import ControllerSettings
    from services.kit.runfile import data_directory

    settings = ControllerSettings.load()
    if device not in settings.devices:
        raise SpondylError(
            f"--device is {device!r}: this gateway's beds are {', '.join(settings.devices)} (SPONDYL_DEVICES)"
        )
    directory = data_directory(data) / "gateways" / settings.site
    found, fit = identifying.identify(
        drive_address(address), device, ceiling_n, KERNEL_VERSION, (lambda _: None) if as_json else print
    )
    found = found.model_copy(update={"doll_kg": doll_kg})
    path, against = found.save(directory), doubts(found)
    told = {"fit": fit, "file": str(path), "suitable": not against}
    report: dict[str, Any] = found.model_dump(mode="json") | told
    report["unsuitable"] = [doubt.as_json() for doubt in against]
    if as_json:
        print(json.dumps(report))
        return
    print(
        f"{device}, drive {found.serial}: harness {found.harness_n_mm:g} N/mm, toe {found.toe_mm:g} mm, "
        f"friction {found.friction_n:g} N; drive {found.drive_mm_s:g} mm/s, "
        f"lag {1000 * found.drive_lag_s:.0f} ms\n{path}"
    )
    for doubt in against:
        print(f"UNSUITABLE  {doubt.text.en}")
