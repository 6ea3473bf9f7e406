"""What the scheduler adds to `spondyl bench`."""

import typer


def register(bench: typer.Typer) -> None:
    """Add the scheduler's benchmarks to the `bench` group."""
    del bench
