"""What the console adds to `spondyl bench`; its benchmarks live in benches/."""

import json
from typing import Annotated

import typer

from services.kit.options import AsJson


def register(bench: typer.Typer) -> None:
    """Add the console's benchmark to the `bench` group."""
    bench.command("wall")(wall)


def wall(
    beds: Annotated[int, typer.Option(min=1, max=5000, help="Simulated beds.")] = 1000,
    browsers: Annotated[
        int, typer.Option(min=1, max=200, help="Viewers: one real browser, the others its streams alone.")
    ] = 3,
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="Measured.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """From a sample to the pixel: latency, frames, bytes and CPU of the wall, beside a charting library."""
    from services.console.benches import bench_wall

    result = bench_wall.measure(beds, browsers, seconds)
    print(json.dumps(result) if as_json else bench_wall.tell(result))
    if not result["ok"]:
        raise typer.Exit(1)
