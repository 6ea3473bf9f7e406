"""What the controller adds to `spondyl bench`; each benchmark lives in benches/."""

import json
from typing import Annotated, Any

import typer


def register(bench: typer.Typer) -> None:
    """Add the controller's benchmarks to the `bench` group."""
    bench.command("kernel")(kernel)


def kernel(
    beds: Annotated[int, typer.Option(min=1, max=1024, help="Beds stepped together.")] = 64,
    ticks: Annotated[int, typer.Option(min=100, max=100_000, help="Ticks in a round.")] = 2000,
    rounds: Annotated[int, typer.Option(min=2, max=1000, help="Rounds; the two kernels take turns.")] = 40,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Nanoseconds a bed and tick, with and without the simulated bed, against the same kernel in C."""
    from services.controller.benches import bench_kernel

    result = bench_kernel.measure(beds, ticks, rounds)
    print(json.dumps(result) if json_ else _kernel_words(result))
    if result["ratio_to_c"] > result["ratio_limit"]:
        raise typer.Exit(1)


def _kernel_words(result: dict[str, Any]) -> str:
    return (
        f"{result['controller_ns_per_bed_tick']} ns a bed-tick, {result['ratio_to_c']} of C's "
        f"{result['c_ns_per_bed_tick']} ns (limit {result['ratio_limit']}); with the simulated bed "
        f"{result['with_plant_ns_per_bed_tick']} ns, {result['sessions_per_minute_per_core']} sessions a "
        f"minute and core"
    )
