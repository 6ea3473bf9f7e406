"""What billing adds to `spondyl bench`; the benchmark lives in benches/."""

import typer


def register(bench: typer.Typer) -> None:
    """Add billing's benchmarks to the `bench` group."""
    del bench
