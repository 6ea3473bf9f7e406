"""`spondyl goae`: what a service costs, and which number it has."""

import datetime as dt
import json
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import typer

from services.kit.options import AsJson


class Tariff(StrEnum):
    """Who pays, as far as the law's frame depends on it."""

    private = "private"
    self = "self"
    standard = "standard"


On = Annotated[str | None, typer.Option("--date", help="Day of the service, like 2026-11-22.")]


def register(root: typer.Typer) -> None:
    """Add `spondyl goae`."""
    goae = typer.Typer(
        help="The German fee schedule for doctors: docs/billing.md.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    goae.command("price")(_price)
    goae.command("search")(_search)
    root.add_typer(goae, name="goae")


def _price(
    number: Annotated[str, typer.Argument(help="Number of the fee schedule, like 516.")],
    factor: Annotated[str | None, typer.Option(help="Factor.", show_default="its threshold")] = None,
    tariff: Annotated[Tariff, typer.Option(help="standard: the caps of § 5b.")] = Tariff.private,
    count: Annotated[int, typer.Option(help="How many.")] = 1,
    agreed: Annotated[bool, typer.Option("--agreed", help="Under a fee agreement, § 2.")] = False,
    on: On = None,
    as_json: AsJson = False,
) -> None:
    """Points times point value times factor, rounded once; exit status 1 when that factor may not be."""
    from services.billing.goae import catalogue, pricing

    schedule = catalogue.at(day_typed(on))
    chosen = None if factor is None else pricing.read_factor(factor)
    kind: pricing.Kind = tariff.value
    found = pricing.price(schedule, schedule.item(number), chosen, kind, count=count, agreed=agreed)
    if as_json:
        print(json.dumps({"catalogue": schedule.name, **found.body()}, ensure_ascii=False))
    else:
        print(_told(found.number, found.name, found.points, found.factor, found.count, found.amount))
        print(f"  {found.verdict}: {found.text['en']} ({found.paragraph})")
    raise typer.Exit(1 if found.verdict == "forbidden" else 0)


def _told(number: str, name: str, points: int, factor: Decimal, count: int, amount: Decimal) -> str:
    times = f" x {count}" if count > 1 else ""
    return f"{number}  {name}\n  {points} points x {factor}{times} = {amount} EUR"


def _search(
    text: Annotated[str, typer.Argument(help="A number, its beginning, or words of the name.")],
    most: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 20,
    on: On = None,
    as_json: AsJson = False,
) -> None:
    """Items by number or words, typing errors forgiven; exit status 1 when nothing is found."""
    from services.billing.goae import catalogue, search

    schedule = catalogue.at(day_typed(on))
    found = search.search(schedule, text, most)
    if as_json:
        rows = [item.body() for item in found]
        print(json.dumps({"catalogue": schedule.name, "items": rows}, ensure_ascii=False))
    else:
        for item in found:
            print(f"{item.number:<9}{item.points:>6}  {item.frame.threshold:>4}  {item.name}")
    raise typer.Exit(0 if found else 1)


def day_typed(typed: str | None) -> dt.date:
    """The day that was typed, or today's. Raises SpondylError."""
    from services.billing.errors import Invalid, said

    if typed is None:
        return dt.datetime.now().astimezone().date()
    try:
        return dt.datetime.strptime(typed, "%Y-%m-%d").date()  # noqa: DTZ007  (a day has no zone)
    except ValueError:
        shown = typed[:20]
        raise said(
            Invalid,
            {
                "de": f"Das Datum ist {shown!r}: ein Tag wie 2026-11-22.",
                "en": f"date is {shown!r}: a day like 2026-11-22",
            },
        ) from None
