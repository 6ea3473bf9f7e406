"""`spondyl screen`: the rules, and what they say of a file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.kit.options import AsJson

if TYPE_CHECKING:
    from services.screening.rules.decision import Decision, Outcome

BAD_FILE = 2
STATUS: dict["Outcome", int] = {"cleared": 0, "refused": 1, "conditions": 3, "incomplete": 4}


def register(root: typer.Typer) -> None:
    """Add `spondyl screen`."""
    root.command("screen")(_screen)


def _screen(
    file: Annotated[Path | None, typer.Argument(help="A filled questionnaire; docs/screening.md.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide who may be treated; exit status 0 cleared, 1 refused, 2 bad file, 3 conditions, 4 incomplete."""
    from services.kit.errors import SpondylError

    if rules is (file is not None):
        raise SpondylError("name a file, or --rules: one of the two", exit_code=BAD_FILE)
    if file is None:
        _list_rules(as_json)
        return
    try:
        decision = _decided(file)
    except SpondylError as error:
        raise SpondylError(f"{file}: {error.message}", exit_code=BAD_FILE) from None
    print(json.dumps(decision.body(), ensure_ascii=False) if as_json else _told(decision))
    raise typer.Exit(STATUS[decision.outcome])


def _decided(file: Path) -> "Decision":
    from services.kit.files import read_text
    from services.screening.rules import ruleset, sheet
    from services.screening.settings import ScreeningSettings

    settings = ScreeningSettings.load().disputed()
    return sheet.screen(read_text(file, "it", sheet.MOST_BYTES), ruleset.load(), settings)


def _list_rules(as_json: bool) -> None:
    from datetime import UTC, datetime

    from services.screening.rules import ruleset
    from services.screening.settings import ScreeningSettings

    found = ruleset.load().on(datetime.now(UTC).date(), ScreeningSettings.load().disputed())
    rows = [found.shown(rule) for rule in found.rules]
    if as_json:
        version = {
            "name": found.version.name, "valid_from": found.version.valid_from.isoformat(),
            "sha256": found.sha256,
        }  # fmt: skip
        told = {"version": version, "settings": dict(found.settings), "rules": rows}
        print(json.dumps(told, ensure_ascii=False))
        return
    for row in rows:
        kind = "absolute" if row["absolute"] else "relative"
        print(f"{row['id']:<28}{kind:<10}{row['region']:<10}{row['origin']:<13}{row['text_en']}")


def _told(decision: "Decision") -> str:
    """The decision as lines for a person."""
    told = decision.body()
    sources = {row["id"]: row["source"] for row in told["rules"]}
    lines = [f"{decision.outcome}: {told['text_en']}"]
    for row in told["reasons"]:
        lines += [f"  {row['rule']}: {row['text_en']}", f"    {row['change_en']}"]
        lines.append(f"    source: {sources[row['rule']]}")
    lines.append(f"rules {decision.version}, {decision.rules_sha256[:12]}")
    return "\n".join(lines)
