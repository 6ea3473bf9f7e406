"""`spondyl invoice check`: what the law says of an invoice, also of one typed by hand from elsewhere."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.kit.options import AsJson

if TYPE_CHECKING:
    from services.billing.goae.sheet import Checked

BAD_FILE: Final = 2
_NAMED: Final = 10  # lines of a finding
_MARKS: Final = {"forbidden": "x", "justification": "?", "note": "i", "fine": "."}


def register(invoice: typer.Typer) -> None:
    """Add `spondyl invoice check`."""
    invoice.command("check")(_check)


def _check(
    file: Annotated[Path | None, typer.Argument(help="An invoice: ours or FHIR; docs/billing.md.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print our format's JSON schema instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Which rules forbid, want a reason, or are kept; exit status 0 unless one forbids, 2 for a bad file."""
    from services.billing.goae import sheet
    from services.kit.errors import SpondylError

    if schema is (file is not None):
        raise SpondylError("name a file, or --schema: one of the two", exit_code=BAD_FILE)
    if file is None:
        print(json.dumps(sheet.Sheet.model_json_schema(), ensure_ascii=False, indent=2))
        return
    try:
        checked = _checked(file)
    except SpondylError as error:
        raise SpondylError(f"{file}: {error.message}", exit_code=BAD_FILE) from None
    print(json.dumps(checked.body(), ensure_ascii=False) if as_json else _told(checked))
    raise typer.Exit(1 if checked.verdict == "forbidden" else 0)


def _checked(file: Path) -> "Checked":
    from services.billing.checking import readers
    from services.kit.files import read_text

    return readers.check(read_text(file, "it", readers.MOST_BYTES))


def _told(checked: "Checked") -> str:
    """The check as lines for a person."""
    told = [f"{checked.verdict}: {checked.total} EUR"]
    for finding in checked.findings:
        where = _where(finding.lines)
        told.append(f" {_MARKS[finding.verdict]} {finding.text['en']} ({finding.paragraph}){where}")
    return "\n".join(told)


def _where(lines: Sequence[int]) -> str:
    """Which lines it is about, counted from 1 as on the paper (JSON has their places, from 0)."""
    if not lines:
        return ""
    named = ", ".join(str(line + 1) for line in lines[:_NAMED])
    more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return f"  line{'s' if len(lines) > 1 else ''} {named}{more}"
