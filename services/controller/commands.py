"""What the controller adds to the `spondyl` command; imports what it needs when it runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.kit.errors import SpondylError
from services.kit.options import AsJson

if TYPE_CHECKING:
    from services.controller.simulation.simulate import Plan


def register(root: typer.Typer) -> None:
    """Add the controller's commands."""
    from services.controller.panel import commands as bedside
    from services.controller.verifying import commands as verifying

    root.command("simulate")(simulate)
    verifying.register(root)
    bedside.register(root)


def simulate(
    context: typer.Context,
    minutes: Annotated[
        float | None, typer.Option(help="Traction time instead of the prescription's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Which patient, and which noise.")] = 7,
    counter_tension: Annotated[
        Path | None, typer.Option(help="Recorded force, one number a line, injected as counter-tension.")
    ] = None,
    rate_hz: Annotated[float, typer.Option(help="Its sampling rate.")] = 1000.0,
    scale_n: Annotated[
        float, typer.Option(help="Its peak, in newtons at the load cell with the drive blocked.")
    ] = 40.0,
    at_s: Annotated[float, typer.Option(help="When it begins, seconds after the start.")] = 180.0,
    emg: Annotated[bool, typer.Option("--emg", help="The file is a surface EMG, not a force.")] = False,
    prescription: Annotated[
        Path | None, typer.Option(help="YAML, JSON or TOML; lumbar, 80 kg, when not given.")
    ] = None,
    period_ms: Annotated[float, typer.Option(help="The loop's period, 1 to 20.")] = 20.0,
    plot: Annotated[Path | None, typer.Option(help="Draw the session to this PNG.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write a recording for `spondyl replay`.")] = None,
    scenario: Annotated[
        list[Path] | None,
        typer.Option(help="A scenario file, or a directory of them, instead of all that says what to do."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one session faster than real time, with any recorded force as the patient's counter-tension.

    With --scenario exit 0 only when all came as the file expects.
    """
    from services.controller.simulation import simulate as simulation

    if scenario:
        _play(context, scenario, plot, record, as_json=as_json)
        return
    _require(
        {"--seed": seed, "--rate-hz": rate_hz, "--scale-n": scale_n, "--at-s": at_s,
         "--period-ms": period_ms, "--minutes": minutes}, plot, record,
    )  # fmt: skip
    injection = None
    if counter_tension is not None:
        injection = simulation.read_injection(counter_tension, rate_hz, scale_n, at_s, emg=emg)
    plan = simulation.Plan(simulation.prescribed(prescription), seed, minutes, period_ms / 1000.0, injection)
    print(_simulated(plan, plot, record, as_json=as_json))


def _require(options: dict[str, float | None], *files: Path | None) -> None:
    """Refuse values beyond their limits, and files that cannot be written, before anything is simulated."""
    from services.controller import outputs
    from services.controller.simulation import simulate as simulation

    for option, value in options.items():
        if value is not None:
            simulation.require_within(option, value)
    for path in filter(None, files):
        outputs.require_writable(path)


def _simulated(plan: "Plan", plot: Path | None, record: Path | None, *, as_json: bool) -> str:
    """Run the plan, write what is wanted of it; the report as JSON or in words."""
    from services.controller import outputs
    from services.controller.simulation import simulate as simulation

    course = simulation.simulate(plan)
    result = simulation.report(plan, course)
    if record is not None:
        outputs.write_whole(record, simulation.recording(plan, course))
    if plot is not None:
        from services.controller.simulation import plots

        outputs.write_whole(plot, plots.picture(course, result["guarding"], simulation.title(plan)))
    return json.dumps(result) if as_json else simulation.tell(result)


def _play(
    context: typer.Context, scenario: list[Path], plot: Path | None, record: Path | None, *, as_json: bool
) -> None:
    from services.controller.scenarios.command import play_all

    beside = {"scenario", "plot", "record", "as_json"}
    sources = {name: context.get_parameter_source(name) for name in context.params}
    told = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if more := [name for name in told if name not in beside]:
        options = ", ".join("--" + name.replace("_", "-") for name in more)
        raise SpondylError(
            f"a scenario says all of a session: leave {options} away, or write it into the file"
        )
    ok, report, words = play_all(scenario, plot, record)
    print(json.dumps(report) if as_json else words)
    if not ok:
        raise typer.Exit(1)
