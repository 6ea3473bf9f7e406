"""The frame of every page of billing: the site's choice and the tabs; a room adds a row to TABS.

    place = site_of(console, who, site)
    return page(console, request, who, place, "billing/drafts.html", tab="drafts", rows=rows)

The template extends `billing/frame.html` and fills its block `room`. A page of one record (a draft, an
invoice) shows the tab of its list.
"""

from datetime import date
from typing import Any, Final

from fastapi import Request, Response

from services.console import navigation
from services.console.context import Console
from services.console.errors import BadSearch
from services.console.navigation import Tab
from services.console.planning.places import MOST_CHARACTERS, offered
from services.console.refusals import said
from services.console.texts import TEXTS
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.language import Language
from services.kit.pages import language_of

TABS: Final = (
    Tab("drafts", "billing_tab_drafts", "/billing/drafts", "billing.see"),
    Tab("invoices", "billing_tab_invoices", "/billing/invoices", "billing.see"),
    Tab("estimates", "billing_tab_estimates", "/billing/estimates", "billing.see"),
    Tab("charges", "billing_tab_charges", "/billing/charges", "billing.see"),
    Tab("open-items", "billing_tab_open_items", "/billing/open-items", "billing.see"),
    Tab("bank", "billing_tab_bank", "/billing/bank", "payments.write"),
    Tab("dunning", "billing_tab_dunning", "/billing/dunning", "billing.see"),
    Tab("revenue", "billing_tab_revenue", "/billing/revenue", "revenue.see"),
    Tab("exports", "billing_tab_exports", "/billing/exports", "revenue.see"),
    Tab("clinic", "billing_tab_clinic", "/billing/clinic", "billing.see"),
)


def site_of(console: Console, who: Principal, wanted: str, permission: Permission = "billing.see") -> str:
    """The site that is wanted, else the first; its clock counts from here on. Raises BadSearch."""
    sites = offered(console, who, permission)
    name = wanted.strip()[:MOST_CHARACTERS] or (sites[0] if sites else "")
    if not name:
        raise BadSearch(said("plan_no_site"), "site")
    console.at(name)
    return name


def shown(app: Any, who: Principal, site: str, language: Language) -> list[tuple[str, str, str]]:
    """The tabs whose page exists and which this reader may open at the site: id, text, path with the site."""
    return [
        (tab.id, TEXTS[tab.text][language], f"{tab.path}?site={site}" if site else tab.path)
        for tab in TABS
        if who.may(tab.permission, site or None) and navigation.exists(app, tab.path)
    ]


def page(
    console: Console, request: Request, who: Principal, site: str, template: str, *, tab: str,
    status: int = 200, **context: Any,
) -> Response:  # fmt: skip
    """A page in billing's frame; ``choice``: where the site's choice leads, else the tab's own page."""
    language = language_of(request)
    rows = shown(request.app, who, site, language)
    title = next((text for id_, text, _ in rows if id_ == tab), TEXTS["nav_billing"][language])
    path = next(row.path for row in TABS if row.id == tab)
    own: dict[str, Any] = {
        "title": title, "choice": path, "kept": (), "sites": offered(console, who, "billing.see"),
        "iso_day": date.fromisoformat,
    }  # fmt: skip
    return console.page(
        request, template, status=status, page="billing", site=site, tabs=rows, tab=tab, **(own | context)
    )
