"""What the controller adds to `spondyl bench`; each benchmark lives in benches/."""

import json
from typing import Annotated, Any

import typer

from services.controller.benches import commands as patients
from services.kit.options import AsJson


def register(bench: typer.Typer) -> None:
    """Add the controller's benchmarks to the `bench` group."""
    bench.command("kernel")(kernel)
    bench.command("loop")(loop)
    bench.command("link")(link)
    patients.register(bench)


def kernel(
    beds: Annotated[int, typer.Option(min=1, max=1024, help="Beds stepped together.")] = 64,
    ticks: Annotated[int, typer.Option(min=100, max=100_000, help="Ticks in a round.")] = 2000,
    rounds: Annotated[int, typer.Option(min=2, max=1000, help="Rounds; the two kernels take turns.")] = 40,
    as_json: AsJson = False,
) -> None:
    """Nanoseconds a bed and tick, with and without the simulated bed, against the same kernel in C."""
    from services.controller.benches import bench_kernel

    result = bench_kernel.measure(beds, ticks, rounds)
    print(json.dumps(result) if as_json else _kernel_words(result))
    slow = result["sessions_per_minute"] < result["sessions_per_minute_goal"]
    if result["ratio_to_c"] > result["ratio_limit"] or slow:
        raise typer.Exit(1)


def _kernel_words(result: dict[str, Any]) -> str:
    return (
        f"{result['controller_ns_per_bed_tick']} ns a bed-tick, {result['ratio_to_c']} of C's "
        f"{result['c_ns_per_bed_tick']} ns (limit {result['ratio_limit']}); with the simulated bed "
        f"{result['with_plant_ns_per_bed_tick']} ns; with every invariant of spondyl verify "
        f"{result['verified_ns_per_bed_tick']} ns: {result['sessions_per_minute']} sessions of 30 minutes a "
        f"minute and core (goal {result['sessions_per_minute_goal']})"
    )


def loop(
    beds: Annotated[int, typer.Option(min=1, max=64, help="Simulated beds in the loop.")] = 8,
    period_ms: Annotated[float, typer.Option(min=1, max=20, help="The loop's period.")] = 20.0,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="How long each of the two runs.")] = 30.0,
    hog: Annotated[bool, typer.Option("--hog", help="Hog the interpreter, burn every core.")] = False,
    as_json: AsJson = False,
) -> None:
    """How late the loop wakes and how long a tick takes, in turns with rt-tests' cyclictest."""
    from services.controller.benches import bench_loop

    result = bench_loop.measure(beds, period_ms, seconds, hog=hog)
    print(json.dumps(result) if as_json else _loop_words(result))
    if not all(result["goals"].values()):
        raise typer.Exit(1)


def _loop_words(result: dict[str, Any]) -> str:
    return (
        f"{result['ticks']} ticks of {result['beds']} beds at {result['period_ms']:g} ms, "
        f"{result['missed_deadlines']} missed, {result['scheduling']}; "
        f"late p99 {result['late_us']['p99']} us, "
        f"{result['p99_ratio']} of cyclictest's {result['cyclictest_us']['p99']} us "
        f"(limit {result['ratio_limit']}); a tick computes p99 {result['compute_us']['p99']} us "
        f"(limit {result['compute_limit_us']:g}); later than 1 ms {result['late_over_1ms']['ours']} times, "
        f"cyclictest {result['late_over_1ms']['cyclictest']}"
    )


def link(
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="How long each of the two runs.")] = 30.0,
    period_ms: Annotated[float, typer.Option(min=1, max=20, help="The loop's period.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """How long a drive's reading takes to become its command, in turns with pymodbus' client."""
    from services.controller.benches import bench_link
    from services.kit.logging import configure

    configure("bench", "error", "console")  # to stderr: what becomes of the drive stands in the result
    result = bench_link.measure(seconds, period_ms)
    print(json.dumps(result) if as_json else _link_words(result))
    if result["p99_ratio"] > result["ratio_limit"]:
        raise typer.Exit(1)


def _link_words(result: dict[str, Any]) -> str:
    def row(name: str, measured: str) -> str:
        of = result[measured][name]
        return f"p50 {of['p50']} p99 {of['p99']} max {of['max']} us"

    return "\n".join(
        f"{name:<9} sense to command {row(name, 'sense_to_command_us')}; exchange {row(name, 'exchange_us')}"
        for name in ("ours", "pymodbus")
    )
