"""Options that several commands of `spondyl` share, so that they read alike everywhere."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option("--data", help="Data directory.", envvar="SPONDYL_DATA", show_default="./var")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
