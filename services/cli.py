"""The `spondyl` command: gathers what every room adds to it and turns refusals into one line."""

import importlib
from collections.abc import Sequence

import typer

from services.kit.errors import refusals_in_one_line

COMMAND_ROOMS = (
    "deploy.commands",
    "services.controller.commands",
    "services.telemetry.commands",
    "services.console.commands",
    "services.screening.commands",
    "services.scheduler.commands",
    "services.billing.commands",
    "services.homecare.commands",
    "services.registry.commands",
    "broker.commands",
)
BENCH_ROOMS = (
    "services.controller.bench",
    "services.telemetry.bench",
    "services.console.bench",
    "services.scheduler.bench",
    "services.billing.bench",
)


def build() -> typer.Typer:
    """The whole command tree."""
    root = typer.Typer(
        name="spondyl",
        help="Spinal decompression for chains of clinics. Not a certified medical device.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    bench = typer.Typer(
        help="Measure against a named peer in the same run.", no_args_is_help=True, rich_markup_mode=None
    )
    for room in COMMAND_ROOMS:
        importlib.import_module(room).register(root)
    for room in BENCH_ROOMS:
        importlib.import_module(room).register(bench)
    root.add_typer(bench, name="bench")
    return root


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; a user's mistake is one line on stderr, never a trace back."""
    with refusals_in_one_line():
        build()(args=None if arguments is None else list(arguments))


if __name__ == "__main__":
    main()
