"""What somebody's treatment costs: estimates and fee agreements as pages show them and as forms ask."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from starlette.datastructures import FormData, UploadFile

from services.console.billing.drafts import factor_text
from services.console.errors import OfficeNotFound
from services.console.refusals import said
from services.kit.language import Language

Row = dict[str, Any]
Form = Mapping[str, str]
LONGEST: Final = 500
LONGEST_NUMBER: Final = 20
REGIONS: Final = ("lumbar", "cervical")
KINDS: Final = ("estimates", "agreements")  # of an address, and billing's
HOWS: Final[dict[str, tuple[str, ...]]] = {
    "estimates": ("email", "paper", "portal", "signed"), "agreements": ("signed",),
}  # fmt: skip
TONES: Final = {
    "made": "info", "handed": "good", "signed": "good", "withdrawn": "plain", "replaced": "plain",
    "expired": "notice",
}  # fmt: skip
CLAUSES: Final = 4  # rows of an agreement's form
USUAL_SESSIONS: Final = "18"
PAYERS: Final = {"self-payer": "self"}  # of a case; the others are called alike
NO_FILE: Final = ("", b"", "application/octet-stream")


def kind_of(text: str) -> str:
    """Which papers an address names. Raises OfficeNotFound."""
    return one_of(text, KINDS)


def one_of(text: str, known: Collection[str]) -> str:
    """A part of an address. Raises OfficeNotFound for any other."""
    if text not in known:
        raise unknown(text)
    return text


def paper_of(text: str) -> str:
    """Which paper an address names. Raises OfficeNotFound."""
    try:
        return str(UUID(text))
    except ValueError:
        raise unknown(text) from None


def unknown(text: str) -> OfficeNotFound:
    """There is no such paper."""
    words = said("cost_unknown", value=text[:40])
    return OfficeNotFound(words["en"], 404, words, {})


def request() -> str:
    """A new form's own id, by which a double click is one."""
    return str(uuid4())


def typed(form: FormData) -> dict[str, str]:
    """What was typed, without its space; no files."""
    return {name: value.strip()[:LONGEST] for name, value in form.multi_items() if isinstance(value, str)}


async def file_of(form: FormData) -> tuple[str, bytes, str]:
    """The file that was chosen, or none."""
    given = form.get("file")
    if not isinstance(given, UploadFile):
        return NO_FILE
    return (given.filename or "", await given.read(), NO_FILE[2])


def head(row: Row) -> Row:
    """A paper in a list."""
    return {
        **row, "issued_on": date.fromisoformat(row["issued_on"]), "valid_until": _day(row["valid_until"]),
        "total": None if row["total"] is None else Decimal(row["total"]), "tone": TONES[row["state"]],
        "handings": [{**one, "on": date.fromisoformat(one["on"])} for one in row["handings"]],
    }  # fmt: skip


def paper(row: Row, language: Language) -> Row:
    """A paper with what stands on it."""
    content = row["content"]
    plan = content["plan"]
    return {
        **head(row), "plan": plan and _plan(plan, language),
        "clauses": [_line(one["line"], language) for one in content["clauses"]],
        "is_open": row["state"] in ("made", "handed", "signed"), "language": content["language"],
    }  # fmt: skip


def fresh(estimates: Sequence[Row], cases: Sequence[Row], due: Sequence[Row]) -> Row:
    """The form of a new estimate: of the cure that waits for one, else of the newest treatment."""
    cure = due[0] if due else None
    newest = cases[-1] if cases else None
    region = cure["region"] if cure else (newest or {}).get("illness", "")
    payer = (cure or {}).get("payer") or (newest or {}).get("payer") or "private"
    return {
        "request": request(), "region": region if region in REGIONS else REGIONS[0],
        "sessions": str(cure["sessions"]) if cure else USUAL_SESSIONS, "payer": PAYERS.get(payer, payer),
        "cure": cure["cure"] if cure else "", "tariff": "",
        "first_visit": "none" if _has_been_seen(estimates, cure) else "usual",
    }  # fmt: skip


def _has_been_seen(estimates: Sequence[Row], cure: Row | None) -> bool:
    """Whether the first visit lies behind: an estimate was handed over, or treatment began."""
    handed = any(one["state"] in ("handed", "signed") for one in estimates)
    return handed or bool(cure and cure["treated"])


def estimate(form: Form, site: str, patient: UUID) -> Row:
    """What billing is asked for; what is no number is left for it to refuse."""
    sessions = form.get("sessions", "")
    return {
        "request": form.get("request") or request(), "site": site, "patient": str(patient),
        "region": form.get("region", ""), "payer": form.get("payer", ""),
        "sessions": int(sessions) if sessions.isdecimal() and len(sessions) < LONGEST_NUMBER else sessions,
        "tariff": form.get("tariff") or None, "first_visit": form.get("first_visit") or "usual",
        "cure": form.get("cure") or None,
    }  # fmt: skip


def question(form: Form, site: str, patient: UUID) -> Row:
    """The same as billing's preview is asked for it."""
    wanted = ("region", "sessions", "payer", "tariff", "first_visit")
    told = {name: form[name] for name in wanted if form.get(name)}
    return {"sessions": "", **told, "site": site, "patient": str(patient)}


def quote(plan: Row, language: Language) -> Row:
    """What the estimate would come to, as the form shows it while it is typed."""
    return {
        "totals": {name: Decimal(value) for name, value in plan["totals"].items()},
        "left_out": [_left_out(one, language) for one in plan["left_out"]], "words": "",
    }  # fmt: skip


def agreement(form: Form, site: str, patient: UUID) -> Row:
    """The same of a fee agreement: the rows in which something stands."""
    rows = ((form.get(f"number_{at}", ""), form.get(f"factor_{at}", "")) for at in range(CLAUSES))
    return {
        "request": form.get("request") or request(), "site": site, "patient": str(patient),
        "lines": [{"number": number, "factor": factor} for number, factor in rows if number or factor],
    }  # fmt: skip


def handing(form: Form) -> dict[str, str]:
    """How a paper was handed over; what is empty is left out."""
    names = ("request", "how", "receiver", "on", "note")
    return {name: form[name] for name in names if form.get(name)} | {
        "request": form.get("request") or request()
    }


def texts(rows: Sequence[Row], language: Language, key: str = "id") -> list[tuple[str, str]]:
    """Choices of billing's with their texts."""
    return [(row[key], row["text"][language]) for row in rows]


def _plan(plan: Row, language: Language) -> Row:
    conditions = [
        {**one, "said": one["text"][language], "amount": Decimal(one["amount"])} for one in plan["conditions"]
    ]
    positions = [
        {
            **_line(one["line"], language, one["analogue_en"]), "part": one["part"],
            "certain": one["certain"], "times": len(one["behind"]), "sum": Decimal(one["amount"]),
        }
        for one in plan["positions"]
    ]  # fmt: skip
    return {
        **plan, "positions": positions, "conditions": conditions,
        "left_out": [_left_out(one, language) for one in plan["left_out"]],
        "totals": {name: Decimal(value) for name, value in plan["totals"].items()},
        "note": plan["note"][language], "visit": plan["visit"][language],
        "payer_text": plan["payer_text"][language], "valid_until": date.fromisoformat(plan["valid_until"]),
    }  # fmt: skip


def _left_out(row: Row, language: Language) -> Row:
    return {"part": row["part"], "said": row["text"][language], "paragraph": row["paragraph"]}


def _line(priced: Row, language: Language, analogue_en: str | None = None) -> Row:
    line = priced["line"]
    own = line.get("analogue")
    return {
        "number": line["number"], "factor": factor_text(line["factor"], language),
        "each": Decimal(priced["amount"]),
        "name": (analogue_en if language == "en" and analogue_en else own) or priced["name"],
        "equivalent": priced["name"] if own else "",
    }  # fmt: skip


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
