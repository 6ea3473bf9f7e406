"""A clinic's letterhead, bank and tax data, and what its treatments cost whom."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.console.billing import books, tabs
from services.console.billing.drafts import ADDRESS, Form, Row, problem_of
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.refusals import said
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
Keeper = Annotated[Principal, allow("billing.settings")]
TEXT_FIELDS: Final = (
    "name", "doctor", "speciality", "phone", "email", "website", "account_holder", "iban", "bic", "bank",
    "tax_number", "vat_id", "identifier", "speciality_code",
)  # fmt: skip
OTHERS: Final = ("accounts", "billing_offices")  # of forms of their own
DONE: Final = ("clinic", "tariff", "accounts", "office", "office_removed")
MOST: Final = 500


def router(console: Console) -> APIRouter:
    """``/billing/clinic`` and ``/billing/tariffs/{name}``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/billing/clinic")
    async def clinic(request: Request, who: Reader, site: str = "", done: str = "") -> Response:
        """What the papers say of the clinic, what they lack, and every version."""
        place = tabs.site_of(console, who, site)
        return await _page(console, request, who, place, done=done if done in DONE else "")

    @routes.post("/billing/clinic")
    async def keep(request: Request, who: Keeper) -> Response:
        """One more version; papers that were issued keep theirs."""
        form = await _form(request)
        place = tabs.site_of(console, who, form.get("site", ""))
        held = await _held(console, who, place)
        try:
            await console.billing.send(who, "PUT", f"/clinics/{place}", clinic_of(form, held))
        except (BadSearch, OfficeRefused) as error:
            return await _page(console, request, who, place, error=error, form=form)
        return _to(place, "clinic")

    @routes.post("/billing/clinic/accounts")
    async def accounts(request: Request, who: Keeper) -> Response:
        """How the books are kept: one more version with it."""
        form = await _form(request)
        place = tabs.site_of(console, who, form.get("site", ""))
        held = await _held(console, who, place)
        try:
            body = {**held, "accounts": books.accounts_of(form)}
            await console.billing.send(who, "PUT", f"/clinics/{place}", body)
        except (BadSearch, OfficeRefused) as error:
            return await _page(console, request, who, place, error=error, form=form, at=books.ACCOUNTS)
        return _to(place, "accounts")

    @routes.post("/billing/clinic/offices")
    async def office(request: Request, who: Keeper) -> Response:
        """A billing office: a new one, another version of one, or one less."""
        form = await _form(request)
        place, key = tabs.site_of(console, who, form.get("site", "")), form.get("office", "")[:40]
        held = await _held(console, who, place)
        try:
            body = {**held, "billing_offices": books.offices_of(form, held.get("billing_offices") or [], key)}
            await console.billing.send(who, "PUT", f"/clinics/{place}", body)
        except (BadSearch, OfficeRefused) as error:
            return await _page(console, request, who, place, error=error, form=form, at=books.prefix_of(key))
        return _to(place, "office_removed" if form.get("remove") else "office")

    @routes.post("/billing/tariffs/{name}")
    async def tariff(request: Request, who: Keeper, name: str) -> Response:
        """What a site sets in place of a tariff's factors."""
        form = await _form(request)
        place = tabs.site_of(console, who, form.get("site", ""))
        try:
            factors = factors_of(form.get(f"factors-{name}", ""), f"factors-{name}")
            await console.billing.send(who, "PUT", f"/tariffs/{place}/{_slug(name)}", {"factors": factors})
        except (BadSearch, OfficeRefused) as error:
            return await _page(console, request, who, place, error=error, form=form, at=name)
        return _to(place, "tariff")

    return routes


def clinic_of(form: Form, held: Row) -> Row:
    """What billing is told of a form. Raises BadSearch."""
    address: Row | None = {name: form.get(name, "").strip()[:MOST] for name in ADDRESS}
    if not any((address or {}).values()):
        address = None
    elif not all((address or {}).values()):
        field = next(name for name in ADDRESS if not form.get(name, "").strip())
        raise BadSearch(said("billing_address_whole"), field)
    else:
        address = {**(address or {}), "country": form.get("country", "").strip().upper() or "DE"}
    days = form.get("payment_days", "").strip()
    if not days.isdecimal() or not 0 <= int(days[:6]) <= 365:  # noqa: PLR2004  (of a clinic's data)
        raise BadSearch(said("billing_no_days", value=days[:20]), "payment_days")
    texts = {name: form.get(name, "").strip()[:MOST] or None for name in TEXT_FIELDS}
    return {
        **texts, "address": address, "payment_days": int(days),
        "zone": form.get("zone", "").strip()[:60] or "Europe/Berlin",
        **{name: held[name] for name in OTHERS if held.get(name)},
    }  # fmt: skip


def factors_of(typed: str, field: str) -> dict[str, str]:
    """Rows such as "652 = 1,8". Raises BadSearch, naming the row."""
    found: dict[str, str] = {}
    for row in filter(None, (line.strip() for line in typed.splitlines()[:200])):
        key, sign, factor = (part.strip() for part in row.partition("="))
        if not (key and sign and factor):
            raise BadSearch(said("billing_no_factor_row", value=row[:40]), field)
        found[key[:20]] = factor[:20].replace(",", ".")
    return found


async def _held(console: Console, who: Principal, site: str) -> Row:
    """What the newest version says; the site's name where there is none."""
    return (await console.billing.ask(who, f"/clinics/{site}"))["clinic"] or {"name": site}


async def _page(
    console: Console, request: Request, who: Principal, site: str, *, done: str = "",
    error: BadSearch | OfficeRefused | None = None, form: Form | None = None, at: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    told = await console.billing.ask(who, f"/clinics/{site}")
    tariffs = (await console.billing.ask(who, f"/tariffs/{site}"))["tariffs"]
    problem = problem_of(error, language) if error else None
    if problem and (at == books.ACCOUNTS or at.startswith(books.OFFICE)):
        problem = books.at_field(problem, at)
    held = told["clinic"] or {}
    factors = {f"factors-{row['name']}": _rows(row["factors"], language) for row in tariffs}
    lacking = {name: one for one in told["missing"] for name in one["field"].split("|")}
    return tabs.page(
        console, request, who, site, "billing/clinic.html", tab="clinic", done=done, problem=problem,
        status=problem.status if problem else 200, missing=told["missing"], lacking=lacking, at=at,
        typed={**_typed(held), **books.typed(held), **factors, **(form or {})}, tariffs=tariffs,
        offices=held.get("billing_offices") or [], prefix_of=books.prefix_of,
        versions=[_version(row, older) for row, older in _pairs(told["versions"])],
        may_change=who.may("billing.settings", site),
    )  # fmt: skip


def _typed(clinic: Row) -> dict[str, str]:
    address = clinic.get("address") or {}
    return {
        **{name: clinic.get(name) or "" for name in TEXT_FIELDS},
        **{name: address.get(name) or "" for name in ADDRESS}, "country": address.get("country") or "DE",
        "payment_days": str(clinic.get("payment_days", 30)), "zone": clinic.get("zone") or "Europe/Berlin",
    }  # fmt: skip


def _rows(factors: Mapping[str, str], language: Language) -> str:
    rows = (f"{key} = {factor}" for key, factor in factors.items())
    return "\n".join(row.replace(".", ",") if language == "de" else row for row in rows)


def _pairs(versions: list[Row]) -> list[tuple[Row, Row]]:
    """Each version, newest first, with the one before it."""
    older = [*(row["clinic"] for row in versions[1:]), {}]
    return list(zip(versions, older, strict=False))


def _version(row: Row, older: Row) -> Row:
    """When, by whom, and which fields it changed."""
    now: dict[str, Any] = {**row["clinic"], **(row["clinic"].get("address") or {})}
    before: dict[str, Any] = {**older, **(older.get("address") or {})}
    fields = (*TEXT_FIELDS, *ADDRESS, "country", "payment_days", "zone", *OTHERS)
    changed = [name for name in fields if (now.get(name) or None) != (before.get(name) or None)]
    return {"at": datetime.fromisoformat(row["at"]), "by": row["by"], "changed": changed}


def _slug(name: str) -> str:
    return "".join(sign for sign in name[:80] if sign.isalnum() or sign in "-_")


async def _form(request: Request) -> dict[str, str]:
    form = await request.form()
    return {name: str(value)[:20_000] for name, value in form.items()}


def _to(site: str, done: str) -> Response:
    return RedirectResponse(
        f"/billing/clinic?site={site}&done={done}", 303, headers={"cache-control": "no-store"}
    )
