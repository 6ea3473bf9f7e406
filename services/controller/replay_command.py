"""`spondyl replay`: what it prints and how it exits."""

import json
from typing import Annotated

import typer

from services.kit.options import AsJson, Data


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("replay")(replay)


def replay(
    recording: Annotated[str, typer.Argument(help="A recording (JSONL), or the id of a session.")],
    data: Data = None,
    as_json: AsJson = False,  # noqa: FBT002  (an option of the command line)
) -> None:
    """Recompute a recorded session and compare every command bit for bit; exit 0 only when all are equal."""
    from services.controller import replay as replays
    from services.kit.runfile import data_directory

    result = replays.replay(replays.find(recording, data_directory(data)))
    typer.echo(json.dumps(result.as_json()) if as_json else replays.tell(result))
    if not result.equal:
        raise typer.Exit(1)
