"""What telemetry adds to `spondyl bench`; each benchmark lives in benches/."""

import json
from typing import Annotated, Any

import typer

from services.kit.errors import SpondylError
from services.kit.options import AsJson

MOST_DEVICES = 20_000
MOST_REPLICAS = 16


def register(bench: typer.Typer) -> None:
    """Add telemetry's benchmarks to the `bench` group."""
    bench.command("store")(store)
    bench.command("ingest")(ingest)
    bench.command("fleet")(fleet)
    bench.command("scale")(scale)
    bench.command("soak")(soak)


def store(
    sessions: Annotated[int, typer.Option(min=2, max=5000, help="Sessions in every store.")] = 200,
    minutes: Annotated[float, typer.Option(min=1, max=60, help="Length of each.")] = 30.0,
    atriumdb_sessions: Annotated[
        int, typer.Option(min=0, max=5000, help="Fewer for AtriumDB: it writes a hundredth as fast.")
    ] = 10,
    atriumdb_python: Annotated[
        str, typer.Option(envvar="SPONDYL_ATRIUMDB_PYTHON", help="The interpreter that has AtriumDB.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """The archive beside Parquet, DuckDB, SQLite and AtriumDB: size, writing, reading, sums over all."""
    from services.telemetry.benches import bench_store

    result = bench_store.measure(sessions, minutes, atriumdb_sessions, atriumdb_python)
    print(json.dumps(result) if as_json else bench_store.tell(result))
    if not result["ok"]:
        raise typer.Exit(1)


def ingest(
    devices: Annotated[int, typer.Option(min=24, max=MOST_DEVICES, help="Beds of two sites.")] = 2000,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Measured of each receiver.")] = 30.0,
    workers: Annotated[int, typer.Option(min=1, max=2, help="Ingest workers; they share the sites.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Rounds; the two receivers take turns.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Blocks made durable a second by the real worker, in turns with what mosquitto_sub receives."""
    from services.telemetry.benches import bench_ingest

    result = bench_ingest.measure(devices, seconds, workers, rounds)
    print(json.dumps(result) if as_json else _ingest_words(result))
    if not result["saturated"]:
        raise SpondylError(
            f"not saturated: a receiver took what was offered ({result['rounds']}); more than "
            f"{bench_ingest.SATURATED} times its rate must be offered, or the publishers were measured"
        )
    if result["lost_samples"] or result["duplicate_samples"]:
        raise typer.Exit(1)


def _ingest_words(result: dict[str, Any]) -> str:
    shares = ", ".join(f"{name} {share}" for name, share in result["cpu_share"].items())
    return (
        f"{result['messages_per_s']} messages a second ({result['samples_per_s']} samples) stored, flushed "
        f"and acknowledged by {result['workers']} worker(s); mosquitto_sub "
        f"{result['mosquitto_sub_per_s']}, ratio {result['ratio_to_mosquitto_sub']}; offered "
        f"{result['offered_per_s']}; {result['lost_samples']} samples lost, "
        f"{result['duplicate_samples']} twice; CPU: {shares}"
    )


def fleet(
    steps: Annotated[str, typer.Option(help="Sizes of the fleet, separated by commas.")] = "100,1000,5000",
    seconds: Annotated[int, typer.Option(min=20, max=3600, help="Length of every bed's session.")] = 20,
    as_json: AsJson = False,
) -> None:
    """CPU, memory, disk and latency a bed as beds become many, at the pace of real beds."""
    from services.telemetry.benches import bench_fleet

    result = bench_fleet.measure(_numbers("--steps", steps, MOST_DEVICES), seconds)
    print(json.dumps(result) if as_json else _fleet_words(result))
    if result["lost_samples"] or result["duplicate_samples"] or not result["flat"]:
        raise typer.Exit(1)


def _numbers(option: str, text: str, most: int) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(1 <= number <= most for number in found):
        raise SpondylError(f"{option} is {text!r}: whole numbers, 1 to {most}, separated by commas")
    return found


def _fleet_words(result: dict[str, Any]) -> str:
    rows = [
        f"{row['devices']} beds: {row['cost_per_device']} ms CPU a bed and second, "
        f"{row['memory_kb_per_device']} kB a bed, committed after {row['committed_ms']['p50']} ms "
        f"(p99 {row['committed_ms']['p99']}), served after {row['served_ms']['p50']} ms "
        f"(p99 {row['served_ms']['p99']}), {row['lost_samples']} lost"
        for row in result["steps"]
    ]
    flat = f"dearest over cheapest {result['largest_over_smallest']} (goal {result['goal']})"
    return "\n".join([*rows, flat])


def scale(
    replicas: Annotated[str, typer.Option(help="Numbers of ingest workers, separated by commas.")] = "1,2,4",
    devices: Annotated[str, typer.Option(help="Numbers of beds, separated by commas.")] = "100,1000,5000",
    seconds: Annotated[int, typer.Option(min=20, max=3600, help="Length of every bed's session.")] = 20,
    as_json: AsJson = False,
) -> None:
    """CPU and memory a bed by ingest workers and beds, and what 1 to 1000 clinics need by it."""
    from services.telemetry.benches import bench_scale

    workers = _numbers("--replicas", replicas, MOST_REPLICAS)
    result = bench_scale.measure(workers, _numbers("--devices", devices, MOST_DEVICES), seconds)
    print(json.dumps(result) if as_json else bench_scale.tell(result))
    if result["lost_samples"] or result["duplicate_samples"]:
        raise typer.Exit(1)


def soak(
    minutes: Annotated[float, typer.Option(min=0.5, max=10_080, help="How long.")] = 60.0,
    beds: Annotated[int, typer.Option(min=2, max=64, help="Simulated beds of two sites.")] = 6,
    as_json: AsJson = False,
) -> None:
    """Whether the memory of every process of a whole system stays flat, and nothing is lost meanwhile."""
    from services.telemetry.benches import bench_soak

    result = bench_soak.measure(minutes, beds)
    print(json.dumps(result) if as_json else _soak_words(result))
    if not (result["flat"] and result["lost_samples"] == result["duplicate_samples"] == 0):
        raise typer.Exit(1)


def _soak_words(result: dict[str, Any]) -> str:
    rows = [
        f"{name:<22}{row['memory_mb']:>8.1f} MB {row['slope_mb_per_h']:>+8.2f} MB/h "
        f"(error {row['error_mb_per_h']:.2f}){'' if row['flat'] else '  grows'}"
        for name, row in result["processes"].items()
    ]
    return "\n".join([*rows, f"{result['lost_samples']} samples lost, {result['duplicate_samples']} twice"])
