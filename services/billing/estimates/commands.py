"""`spondyl estimate`: what a cure costs, without a running service."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.kit.options import AsJson

if TYPE_CHECKING:
    from services.billing.estimates.models import Content, Plan
    from services.billing.models import Clinic

SAMPLE: Final = "Musterpraxis (Beispiel, keine echte Praxis)"
SAMPLES: Final = {"de": "Kostenvoranschlag (Muster)", "en": "Estimate of costs (sample)"}


class Region(StrEnum):
    """Which part of the spine."""

    lumbar = "lumbar"
    cervical = "cervical"


class Payer(StrEnum):
    """Who pays."""

    private = "private"
    beihilfe = "beihilfe"
    self = "self"
    standardtarif = "standardtarif"


class Spoken(StrEnum):
    """In which language it reads."""

    de = "de"
    en = "en"


def register(root: typer.Typer) -> None:
    """Add `spondyl estimate`."""
    root.command("estimate")(_estimate)


def _estimate(
    region: Annotated[Region, typer.Option(help="Part of the spine.")],
    sessions: Annotated[int, typer.Option(min=1, max=60, help="Sessions of the cure.")],
    payer: Annotated[Payer, typer.Option(help="Who pays.")] = Payer.private,
    tariff: Annotated[
        str | None, typer.Option(help="private, self or standard.", show_default="the payer's")
    ] = None,
    first_visit: Annotated[str, typer.Option(help="usual, short, discussion or none.")] = "usual",
    on: Annotated[str | None, typer.Option("--date", help="Day on which it is made.")] = None,
    clinic: Annotated[
        Path | None,
        typer.Option(help="Clinic's data (JSON, as PUT /clinics takes them); a sample unless told."),
    ] = None,
    language: Annotated[Spoken, typer.Option(help="en: a copy; the German one counts.")] = Spoken.de,
    pdf: Annotated[Path | None, typer.Option(help="Write it there as PDF/A.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Print it in text form, § 126b BGB.")] = False,
    as_json: AsJson = False,
) -> None:
    """A cure's expected costs, what is certain and what depends (§ 630c Abs. 3 BGB); nothing is kept."""
    from services.billing.estimates import composing, making, plain, reckoning
    from services.billing.estimates.menu import payer as payer_named
    from services.billing.goae import catalogue, tariffs
    from services.billing.goae.commands import day_typed
    from services.billing.papers import letters

    day = day_typed(on)
    named = tariff or payer_named(payer.value).tariff
    chosen = making.require_capped(payer.value, tariffs.named(named, catalogue.at(day)))
    plan = reckoning.plan(region.value, sessions, payer.value, chosen, day, first_visit)
    letter = composing.estimate(_content(_clinic(clinic), plan), plan, 1, language.value)
    if clinic is None:
        letter = letter.model_copy(update={"title": SAMPLES[language.value]})
    if pdf is not None:
        pdf.write_bytes(letters.pdf("estimate", letter, language.value))
    if text:
        print(plain.text("estimate", letter, language.value), end="", flush=True)
    if as_json:
        print(json.dumps(_shown(plan, pdf, is_sample=clinic is None), ensure_ascii=False))
    elif not text:
        print(_told(plan))


def _content(clinic: "Clinic", plan: "Plan") -> "Content":
    """What stands on it; without anybody's name."""
    from services.billing.estimates.models import Content

    return Content(clinic=clinic, issued_on=plan.on, plan=plan)


def _clinic(path: Path | None) -> "Clinic":
    """From a file, or a sample that says that it is one. Raises Invalid for a file that is none."""
    from pydantic import ValidationError

    from services.billing.errors import Invalid, said
    from services.billing.models import Clinic

    if path is None:
        return Clinic(name=SAMPLE)
    try:
        return Clinic.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise said(
            Invalid,
            {"de": f"Praxisdaten {path}: {first}", "en": f"clinic's data {path}: {first}"},
        ) from None


def _shown(plan: "Plan", pdf: Path | None, *, is_sample: bool) -> dict[str, object]:
    """The estimate as programs read it: money is text, so that nobody rounds it again."""
    return {
        "region": plan.region, "sessions": plan.sessions, "payer": plan.payer, "tariff": plan.tariff,
        "date": plan.on.isoformat(), "valid_until": plan.valid_until.isoformat(),
        "first_visit": plan.first_visit, "total": str(plan.totals.expected),
        "totals": plan.totals.model_dump(mode="json"),
        "items": [
            {
                "part": one.part, "certain": one.certain, "number": one.line.line.number,
                "name": one.line.name, "analogue": one.line.line.analogue,
                "factor": str(one.line.line.factor), "each": str(one.line.amount), "times": one.times,
                "amount": str(one.amount),
            }
            for one in plan.positions
        ],
        "conditions": [one.model_dump(mode="json") for one in plan.conditions],
        "reimbursement": plan.note.model_dump(), "rule": "§ 630c Abs. 3 BGB",
        "letterhead": "sample" if is_sample else "clinic", "pdf": pdf and str(pdf),
    }  # fmt: skip


def _told(plan: "Plan") -> str:
    rows = [
        f"{one.times:>3} x {one.line.line.number:<5}{one.line.line.factor:>4} {one.amount:>10} EUR  "
        f"{'' if one.certain else '(depends) '}{one.part}"
        for one in plan.positions
    ]
    totals = plan.totals
    return "\n".join(
        [
            *rows,
            f"first visit {totals.first_visit}",
            f"a session {totals.per_session}, every session {totals.sessions}",
            f"certain {totals.certain}, expected {totals.expected}, at most {totals.at_most} EUR",
            f"valid until {plan.valid_until}",
        ]
    )
