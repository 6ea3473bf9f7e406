"""`spondyl secrets`: a new key beside the old one, and the end of the old one."""

import json
from typing import Annotated, Literal

import typer

from services.kit.options import AsJson, Data

Pair = Annotated[
    Literal["access", "clearance"], typer.Argument(help="access: tokens and operators' lists; clearance.")
]


def register(root: typer.Typer) -> None:
    """Add the command."""
    secrets = typer.Typer(
        help="Keys made anew, while what the old ones signed goes on.", no_args_is_help=True
    )
    secrets.command("rotate")(_rotate)
    secrets.command("end")(_end)
    root.add_typer(secrets, name="secrets")


def _rotate(name: Pair, data: Data = None, as_json: AsJson = False) -> None:
    """Make a new pair; what the old one signed stays good until `secrets end`."""
    from services.kit.auth import keys
    from services.kit.runfile import data_directory

    made = keys.rotate(data_directory(data), name)
    told = {"name": name, "private": str(made.private), "public": str(made.public), "accepted": 2}
    _say(
        told, f"{name}: a new key signs once services are restarted; hand out {made.public}", as_json=as_json
    )


def _end(name: Pair, data: Data = None, as_json: AsJson = False) -> None:
    """Believe the new key alone, once everybody has it and what the old one signed is over."""
    from services.kit.auth import keys
    from services.kit.runfile import data_directory

    ended = keys.end_old(data_directory(data), name)
    words = "the old key is ended once services are restarted" if ended else "there was no old key"
    _say({"name": name, "ended": ended, "accepted": 1}, f"{name}: {words}", as_json=as_json)


def _say(told: dict[str, object], words: str, *, as_json: bool) -> None:
    print(json.dumps(told) if as_json else words)
