"""`spondyl bench guarding`, `tracking` and `beds`: what simulated patients get of the controller."""

import json
from typing import Annotated, Any

import typer

from services.kit.options import AsJson


def register(bench: typer.Typer) -> None:
    """Add them to the `bench` group."""
    bench.command("guarding")(guarding)
    bench.command("tracking")(tracking)
    bench.command("beds")(beds)


def guarding(
    hours: Annotated[float, typer.Option(min=0.5, max=10_000, help="Calm hours that are watched.")] = 200.0,
    contractions: Annotated[
        int, typer.Option(min=4, max=100_000, help="Contractions of each kind and size.")
    ] = 1000,
    as_json: AsJson = False,
) -> None:
    """Reaction to contractions and false stops, beside three other detectors that stop falsely as often."""
    from services.controller.benches import bench_guarding

    result = bench_guarding.measure(hours, contractions)
    print(json.dumps(result) if as_json else _guarding_words(result))
    _judge(result)


def _guarding_words(result: dict[str, Any]) -> str:
    lines = [f"{result['false_stops_per_hour']} false stops an hour in {result['hours']:g} calm hours"]
    for name, kinds in result["detectors"].items():
        for kind, sizes in kinds.items():
            cells = [f"{size} N {row['p50_ms']}/{row['p95_ms']} ms, missed {row['miss_percent']} %"
                     for size, row in sizes.items()]  # fmt: skip
            lines.append(f"{name}, {kind}: {'; '.join(cells)}")
    return "\n".join(lines + _goal_words(result))


def tracking(
    patients: Annotated[int, typer.Option(min=2, max=100_000, help="Simulated patients.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Errors of the tension against its target, beside the best PID of fixed gains on the same patients."""
    from services.controller.benches import bench_tracking

    result = bench_tracking.measure(patients)
    print(json.dumps(result) if as_json else _tracking_words(result))
    _judge(result)


def _tracking_words(result: dict[str, Any]) -> str:
    lines = []
    for name in ("ours", "fixed_pid", "fixed_pid_without_margin"):
        cells = [f"{measure} {row['p50']}/{row['p95']}/{row['max']}" for measure, row in result[name].items()]
        lines.append(f"{name}, p50/p95/max: {'; '.join(cells)}")
    return "\n".join(lines + _goal_words(result))


def beds(
    hours: Annotated[float, typer.Option(min=1, max=10_000, help="Calm hours on each kind of bed.")] = 100.0,
    trait: Annotated[str, typer.Option(help="This one alone: friction, harness_n_mm, ...")] = "",
    as_json: AsJson = False,
) -> None:
    """False stops, tracking and faults on beds with more friction, softer harnesses, slower drives."""
    from services.controller.benches import bench_beds, bench_guarding

    result = bench_beds.measure(hours, bench_guarding.progress, trait)
    print(json.dumps(result) if as_json else "\n".join(_bed_words(row) for row in result["beds"]))


def _bed_words(row: dict[str, Any]) -> str:
    return (
        f"{row['trait']} {row['value']:g}: {row['false_stops_per_hour']} false stops an hour, hold p95 "
        f"{row['hold_rms_p95_n']} N; of {row['restless_sessions']} restless ones {row['taken_for_stuck']} "
        f"end as a stuck drive, {row['over_target_p50_n']} N above target in the median"
    )


def _goal_words(result: dict[str, Any]) -> list[str]:
    return [f"{'holds' if held else 'MISSED'}: {goal}" for goal, held in result["goals"].items()]


def _judge(result: dict[str, Any]) -> None:
    if not all(result["goals"].values()):
        raise typer.Exit(1)
