"""`spondyl invoice verify`: whether an invoice as a file holds, by which standard each."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from services.kit.errors import SpondylError
from services.kit.options import AsJson


def register(invoice: typer.Typer) -> None:
    """Add the command to the `invoice` group."""
    invoice.command("verify")(_verify)


def _verify(
    file: Annotated[Path, typer.Argument(help="An invoice as PDF, ours or anybody's.")],
    as_json: AsJson = False,
) -> None:
    """Marks of PDF/A-3, embedded XML, schema, schematron and sums; exit status 0 only when all hold."""
    from services.billing.papers import archival, validating

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # a broken file's every fault is a finding here
    try:
        with file.open("rb") as opened:
            told = validating.report(opened.read(archival.LARGEST_PDF + 1))
    except OSError as error:
        raise SpondylError(f"{file}: {error.strerror}") from None
    if as_json:
        print(json.dumps({"file": str(file), **told.body()}, ensure_ascii=False))
    else:
        for one in told.findings:
            print(f"{'ok  ' if one.ok else 'FAIL'} {one.standard}, {one.rule}: {one.message}")
        print(f"{file}: {'all holds' if told.ok else 'does not hold'}")
    raise typer.Exit(0 if told.ok else 1)
