"""`spondyl gdt read` and `spondyl gdt write`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.kit.options import AsJson

if TYPE_CHECKING:
    from services.screening.exchange.gdt.reading import Reading


def register(root: typer.Typer) -> None:
    """Add this room's commands."""
    gdt = typer.Typer(
        help="GDT, the German interface between devices and practice systems.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    gdt.command("read")(_read)
    root.add_typer(gdt, name="gdt")


def _read(
    file: Annotated[Path, typer.Argument(help="A GDT file.")],
    as_json: AsJson = False,
) -> None:
    """Show what a GDT file says, however it was written, and what was wrong with it."""
    from services.kit.errors import SpondylError
    from services.screening.exchange.gdt.reading import MOST_BYTES, read

    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise SpondylError(f"{file} cannot be read: {error.strerror}") from None
    found = read(content)
    print(json.dumps(told(found), ensure_ascii=False) if as_json else table(found))


def told(found: "Reading") -> dict[str, Any]:
    """A reading as JSON: records with their fields by number and name, and the warnings."""
    from services.screening.exchange.gdt.fields import FIELDS, RECORDS

    records = [
        {
            "record": record.kind,
            "title": RECORDS.get(record.kind),
            "fields": [
                {
                    "field": value.code,
                    "name": value.name,
                    "label": FIELDS[value.code].said if value.code in FIELDS else None,
                    "content": value.content,
                    "line": value.line,
                }
                for value in record.values
            ],
        }
        for record in found.records
    ]
    return {"records": records, "charset": found.charset, "warnings": found.warnings}


def table(found: "Reading") -> str:
    """The same as lines for a person."""
    from services.screening.exchange.gdt.fields import FIELDS, RECORDS

    lines = []
    for record in found.records:
        title = RECORDS.get(record.kind)
        lines.append(f"record {record.kind}: {title['en'] if title else 'not known here'} ({found.charset})")
        for value in record.values:
            known = FIELDS.get(value.code)
            lines.append(f"  {value.code}  {known.said['en'] if known else '?':<40} {value.content}")
    return "\n".join([*lines, *(f"warning: {text}" for text in found.warnings)])
