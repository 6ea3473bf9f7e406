"""What the broker adds to the `spondyl` command: `contract export` and `contract check`."""

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

REPOSITORY = Path(__file__).resolve().parent.parent


def register(root: typer.Typer) -> None:
    """Add `spondyl contract`."""
    group = typer.Typer(
        help="The message contract: export it, check it.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("export")(export)
    group.command("check")(check)
    root.add_typer(group, name="contract")


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; made when missing.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write asyncapi.yaml, schemas/*.json, acl and topics.md."""
    from broker import publish_contract

    try:
        written = publish_contract.export(directory)
    except OSError as error:
        _fail(f"cannot write {error.filename or directory}: {error.strerror}")
    names = sorted(str(path.relative_to(directory)) for path in written)
    if as_json:
        typer.echo(json.dumps({"directory": str(directory.resolve()), "files": names}))
    else:
        typer.echo(f"{len(names)} files in {directory}")


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Bring the committed files up to date.")] = False,
) -> None:
    """Whether the committed contract files are what the contract says; exit 1 when not."""
    from broker import publish_contract

    if not (REPOSITORY / publish_contract.TOPICS_PAGE.parent).is_dir():
        _fail(f"{REPOSITORY} is no checkout of Spondyl: there is nothing committed to check")
    if write:
        publish_contract.write_committed(REPOSITORY)
    drifted = publish_contract.drifted(REPOSITORY)
    if as_json:
        typer.echo(json.dumps({"ok": not drifted, "drifted": drifted}))
    elif drifted:
        typer.echo(
            "\n".join([*drifted, "bring them up to date with `spondyl contract check --write`"]), err=True
        )
    else:
        typer.echo("the committed files are what the contract says")
    if drifted:
        raise typer.Exit(1)


def _fail(message: str) -> NoReturn:
    typer.echo(f"spondyl: {message}", err=True)
    raise typer.Exit(1)
