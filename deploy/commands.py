"""`spondyl up`, `status`, `doctor`, `replay`, `token`, `secrets`, `audit-trail` and `migrate`."""

import json
from typing import Annotated

import typer

from deploy import issuing, migrating, replaying, secrets, trails
from deploy.keeping import commands as keeping
from services.kit.options import AsJson, Data


def register(root: typer.Typer) -> None:
    """Add this room's commands."""
    root.command("up")(_up)
    root.command("status")(_status)
    root.command("doctor")(_doctor)
    replaying.register(root)
    issuing.register(root)
    trails.register(root)
    secrets.register(root)
    migrating.register(root)
    keeping.register(root)


def _up(
    beds: Annotated[int, typer.Option(help="Simulated beds, dealt out over the sites.")] = 6,
    sites: Annotated[int, typer.Option(help="Clinics: one gateway each.")] = 2,
    data: Data = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; loopback unless told otherwise.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Console port.", show_default="8080 or the next free one")
    ] = None,
    period_ms: Annotated[float, typer.Option(help="Period of the control loop.")] = 20.0,
    block_ms: Annotated[float, typer.Option(help="Length of a published block.")] = 200.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated patients.")] = 1,
    therapist: Annotated[
        bool, typer.Option(help="A simulated therapist gives the beds their sessions.")
    ] = True,
    ingest_workers: Annotated[
        int, typer.Option(help="Processes that store what comes in.", envvar="SPONDYL_INGEST_WORKERS")
    ] = 1,
    demo: Annotated[
        bool, typer.Option("--demo", help="Show a name and its password on the sign-in page.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start broker, Redis, services, gateways and console on this machine; Ctrl-C ends them."""
    from deploy.local import Plan
    from deploy.up import up
    from services.kit.runfile import data_directory

    up(
        Plan(
            data_directory(data),
            beds,
            sites,
            host,
            port,
            period_ms,
            block_ms,
            seed,
            therapist,
            ingest_workers,
            demo,
        ),
        as_json=as_json,
    )


def _status(
    data: Data = None,
    as_json: AsJson = False,
    as_targets: Annotated[
        bool, typer.Option("--targets", help="What Prometheus scrapes here, as its file_sd reads it.")
    ] = False,
) -> None:
    """Every process of the running system: memory, CPU, uptime, lag."""
    from deploy.status import status, table, targets
    from services.kit import runfile

    run = runfile.load(data)
    if as_targets:
        print(json.dumps(targets(run), indent=1))
        return
    report = status(run)
    print(json.dumps(report) if as_json else table(report))


def _doctor(data: Data = None, as_json: AsJson = False) -> None:
    """What is installed, permitted and reachable, and what to do about what is not."""
    from deploy.doctor import examine, lines, report
    from services.kit.runfile import data_directory

    findings = examine(data_directory(data))
    result = report(findings)
    print(json.dumps(result) if as_json else lines(findings))
    if not result["ok"]:
        raise typer.Exit(1)
