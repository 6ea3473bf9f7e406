"""What the scheduler adds to `spondyl bench`; the benchmark lives in benches/."""

import json
from typing import Annotated

import typer

from services.kit.errors import SpondylError
from services.kit.options import AsJson


def register(bench: typer.Typer) -> None:
    """Add the scheduler's benchmarks to the `bench` group."""
    bench.command("plan")(plan)


def plan(
    sites: Annotated[int, typer.Option(min=1, max=500, help="Clinics.")] = 20,
    devices: Annotated[int, typer.Option(min=1, max=2000, help="Beds, shared evenly by the clinics.")] = 60,
    utilisation: Annotated[
        float, typer.Option(min=0, max=0.95, help="Share of the beds' time booked.")
    ] = 0.8,
    cures: Annotated[int, typer.Option(min=1, max=20_000, help="Cures to be placed.")] = 200,
    seed: Annotated[int, typer.Option(help="Decides demand and search.")] = 1,
    place_s: Annotated[float, typer.Option(min=0.05, max=60, help="Limit of one placement.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Cures placed exactly in full houses, beside a first-fit planner with the same patients."""
    from services.scheduler.benches import bench_plan
    from services.scheduler.planner.problem import Effort

    if devices < sites:
        raise SpondylError(f"--devices is {devices}: at least one for each of the {sites} sites")
    effort = Effort(place_s=place_s, seed=seed)
    result = bench_plan.measure(sites, devices, utilisation, cures, seed, effort)
    print(json.dumps(result) if as_json else bench_plan.words(result))
    if not result["ok"]:
        raise typer.Exit(1)
