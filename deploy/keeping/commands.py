"""`spondyl backup`, `restore` and `support-bundle`."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from services.kit.options import AsJson, Data

Passphrase = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File with the passphrase that seals the secrets.")
]
Where = Annotated[Path, typer.Argument(metavar="DIR|FILE", help="The backup, or the newest of a directory.")]
NoSecrets = Annotated[bool, typer.Option("--without-secrets", help="Leave the secrets out.")]
PRIVATE_UMASK = 0o077


class Leading(TyperGroup):
    """A group whose first command is meant where none is named: `spondyl backup DIR` takes one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named, else the first with everything as its arguments."""
        if args and args[0] not in self.commands:
            args = [next(iter(self.commands)), *args]
        return super().resolve_command(ctx, args)


def register(root: typer.Typer) -> None:
    """Add this room's commands."""
    group = typer.Typer(
        cls=Leading, help="Keep everything in one file, and look whether one is whole: `spondyl backup DIR`.",
        no_args_is_help=True, rich_markup_mode=None,
    )  # fmt: skip
    group.command("take")(_take)
    group.command("verify")(_verify)
    root.add_typer(group, name="backup")
    root.command("restore")(_restore)
    root.command("support-bundle")(_support)


def _take(
    where: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|FILE.tar",
            help="Directory of many backups, which share objects; or one file of all.",
        ),
    ],
    data: Data = None,
    passphrase_file: Passphrase = None,
    secrets_in_clear: Annotated[
        bool, typer.Option("--secrets-in-clear", help="Keep the secrets unsealed.")
    ] = False,
    without_secrets: NoSecrets = False,
    as_json: AsJson = False,
) -> None:
    """Keep everything of the system under DATA, running or not."""
    from deploy.keeping.backup import back_up
    from services.kit.runfile import data_directory

    os.umask(PRIVATE_UMASK)
    made = back_up(
        data_directory(data), where.absolute(), _say(as_json), passphrase=_passphrase(passphrase_file),
        secrets_in_clear=secrets_in_clear, without_secrets=without_secrets,
    )  # fmt: skip
    print(
        json.dumps({"ok": True, **made})
        if as_json
        else f"{made['file']}: {made['bytes'] / 1e6:.1f} MB in {made['seconds']} s, new objects "
        f"{made['new_object_bytes'] / 1e6:.1f} MB; look at it with `spondyl backup verify`"
    )


def _verify(
    where: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help="The backup, or the newest of a directory.")
    ],
    as_json: AsJson = False,
) -> None:
    """Read a backup from end to end and compare every checksum."""
    from deploy.keeping.restore import verify

    found = verify(where.absolute(), _say(as_json))
    print(
        json.dumps(found)
        if as_json
        else f"{found['file']} is whole: {found['members']} members and {found['objects']} objects, "
        f"{found['bytes'] / 1e6:.1f} MB, made {found['made_at']} by release {found['release']}"
    )


def _restore(
    where: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help="The backup, or the newest of a directory.")
    ],
    data: Data = None,
    passphrase_file: Passphrase = None,
    without_secrets: NoSecrets = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Files of this directory alone.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="NAME", help="All but this directory.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty place, whole or not at all."""
    from deploy.keeping.parts import Parts
    from deploy.keeping.restore import restore
    from services.kit.runfile import data_directory

    os.umask(PRIVATE_UMASK)
    done = restore(
        where.absolute(), data_directory(data), _say(as_json), passphrase=_passphrase(passphrase_file),
        without_secrets=without_secrets, parts=Parts(tuple(only or ()), tuple(without or ())),
    )  # fmt: skip
    print(
        json.dumps({"ok": True, **done})
        if as_json
        else f"restored {done['mb']} MB of {done['made_at']} into {done['data']} in {done['seconds']} s; "
        "then: `spondyl migrate`, start, `spondyl audit`, `spondyl audit-trail verify`"
    )


def _support(
    out: Annotated[Path, typer.Option("--out", help="The file to write; replaced when it is there.")] = Path(
        "spondyl-support.tar.gz"
    ),
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Put together what helps a stranger to help, without personal data and secrets, running or not."""
    from deploy.keeping.bundle import collect, write
    from services.kit.runfile import data_directory

    made = write(collect(data_directory(data)), out.absolute())
    missing = "".join(f"\n  not asked: {name}: {why}" for name, why in made["not_asked"].items())
    print(json.dumps(made) if as_json else f"{made['file']}: {made['bytes'] / 1e3:.0f} kB{missing}")


def _passphrase(path: Path | None) -> str | None:
    from deploy.keeping.sealing import passphrase_of

    return None if path is None else passphrase_of(path)


def _say(as_json: bool) -> Callable[[str], None]:
    """Progress goes to stderr; a program that asks for JSON is told nothing but the end."""
    if as_json:
        return lambda _text: None
    return lambda text: print(f"spondyl: {text}", file=sys.stderr, flush=True)
