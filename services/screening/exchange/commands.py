"""`spondyl gdt read` and `spondyl gdt write`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from services.kit.options import AsJson, Data

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
    gdt.command("write")(_write)
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


def _write(
    session: Annotated[UUID, typer.Argument(help="The session's id.")],
    out: Annotated[Path, typer.Option(help="Directory to write to; a name that is free is taken.")] = Path(),
    version: Annotated[
        Literal["2.1", "3.0", "3.1"] | None, typer.Option(help="Version of GDT; default SPONDYL_GDT_VERSION.")
    ] = None,
    charset: Annotated[
        Literal["1", "2", "3"] | None,
        typer.Option(help="Character set: 1 ASCII, 2 CP437, 3 ISO 8859-1; default SPONDYL_GDT_CHARSET."),
    ] = None,
    receiver: Annotated[str | None, typer.Option(help="GDT id of the receiver (8315).")] = None,
    sender: Annotated[str | None, typer.Option(help="GDT id of the sender (8316).")] = None,
    number: Annotated[
        str | None,
        typer.Option(help="The patient's number in the practice system (3000), where it is not known."),
    ] = None,
    procedure: Annotated[str | None, typer.Option(help="Procedure code (8402).")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write a session's result as a GDT record 6310, asked of the running system."""
    from services.screening.exchange.command import Wanted, write

    wanted = Wanted(version, charset, receiver, sender, number, procedure)
    told = write(session, out, wanted, data)
    print(json.dumps(told, ensure_ascii=False) if as_json else _sentence(told))


def _sentence(told: dict[str, Any]) -> str:
    """What was written, for a person."""
    warnings = [f"warning: {text}" for text in told["warnings"]]
    return "\n".join([f"{told['file']}: {told['bytes']} bytes, record {told['record']}", *warnings])
