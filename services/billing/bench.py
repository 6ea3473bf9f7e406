"""What billing adds to `spondyl bench`; the benchmark lives in benches/."""

import json
from typing import Annotated

import typer

from services.kit.options import AsJson


def register(bench: typer.Typer) -> None:
    """Add billing's benchmarks to the `bench` group."""
    bench.command("invoices")(invoices)


def invoices(
    count: Annotated[int, typer.Option(min=1, max=100_000, help="Invoices to issue.")] = 1000,
    verify: Annotated[int, typer.Option(min=0, help="How many files are opened again and looked at.")] = 100,
    rounds: Annotated[
        int, typer.Option(min=0, max=1000, help="Pages beside WeasyPrint; 0: none, and no ratio asked for.")
    ] = 7,
    as_json: AsJson = False,
) -> None:
    """Invoices a second with PDF/A-3, XML and validation, and the page beside WeasyPrint's."""
    from services.billing.benches import bench_invoices

    result = bench_invoices.measure(count, verify, rounds)
    print(json.dumps(result) if as_json else bench_invoices.words(result))
    if not result["ok"]:
        raise typer.Exit(1)
