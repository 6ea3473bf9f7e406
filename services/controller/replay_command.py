"""`spondyl replay`: what it prints and how it exits."""

import json
from pathlib import Path
from typing import Annotated

import typer


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("replay")(replay)


def replay(
    recording: Annotated[str, typer.Argument(help="A recording (JSONL), or the id of a session.")],
    data: Annotated[
        Path, typer.Option(envvar="SPONDYL_DATA", help="Where to look for a session's recording.")
    ] = Path("var"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002  (an option of the command line)
) -> None:
    """Recompute a recorded session and compare every command bit for bit; exit 0 only when all are equal."""
    from services.controller import replay as replays

    result = replays.replay(replays.find(recording, data))
    typer.echo(json.dumps(result.as_json()) if as_json else replays.tell(result))
    if not result.equal:
        raise typer.Exit(1)
