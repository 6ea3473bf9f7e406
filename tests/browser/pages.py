"""Every page that there is, one row each: what looks at all pages (axe, keyboard, size, pictures) walks it.

A path is the route's own, with its parameters (`{session}`, `{device}`, ...), which the ward fills in; a
test fails on a route that shows a page and has no row here.
"""

from dataclasses import dataclass
from itertools import product

SIZES = ((1440, 900), (390, 844))  # width, height of the window: a desk, a phone
THEMES = ("dark", "light")


@dataclass(frozen=True)
class Page:
    """One row: its name (and its pictures'), where it is, who opens it, what stands there when whole."""

    name: str
    shows: str
    path: str
    role: str | None = "administrator"  # None: nobody is signed in
    wait: str = "main h1"
    at: str = "console"  # or "panel": whose page it is
    opens: str = ""  # the button that opens the dialog which the row is about
    then: str = ""  # what its picture waits for in there
    may_fail: tuple[str, ...] = ()  # words of errors that a browser reports here by right

    @property
    def route(self) -> tuple[str, str]:
        """Whose, and the route's path."""
        return self.at, self.path.partition("?")[0]

    @property
    def pictures(self) -> list[str]:
        """The names of its pictures' files."""
        looks = product(SIZES, THEMES)
        return [f"{self.name}-{width}-{theme}.png" for (width, _), theme in looks]


HEARS = '[data-field="tension"]:text-matches("^[0-9]+$")'  # the bed's page once samples have come
PAGES = (
    Page("sign-in", "Signing in, also by the clinic's provider", "/sign-in", role=None, wait="main form"),
    Page("wall", "The wall: every bed at a glance", "/", wait='.tile[data-link="live"]'),
    Page(
        "bed", "A bed in detail", "/beds/{device}?site=north", role="clinician", wait="#sessions li"
    ),
    Page(
        "patient", "The patient's view", "/beds/{device}/patient?site=north", role="therapist", wait="canvas"
    ),
    Page("alarms", "Every alarm that is on", "/alarms"),
    Page(
        "sessions", "Past sessions", "/sessions", role="clinician", wait="main a[href*='/sessions/']"
    ),
    Page("session", "A past session", "/sessions/{session}", role="clinician", wait="#plot[data-points]"),
    Page(
        "compare", "Chosen sessions over each other", "/sessions/compare?session={session}&session={other}",
        role="clinician", wait="#plot[data-points]",
    ),
    Page(
        "cure", "The sessions of a cure", "/cures/{cure}/sessions", role="clinician",
        wait="#plot[data-points]",
    ),
    Page("board", "Who comes today, to which bed", "/board?site=north", wait="#board .board-row"),
    Page(
        "calendar", "The calendar by bed and by therapist", "/calendar?site=north",
        wait="#calendar[data-placed] .cal-block",
    ),
    Page(
        "appointment", "One appointment", "/appointments/{appointment}", role="clinician", wait="#change form"
    ),
    Page(
        "planning", "The planner of a cure", "/planning?site=north&patient={patient}", role="clinician",
        wait="#plan",
    ),
    Page("cures", "The cures of a site", "/cures?site=north", wait="main tbody a"),
    Page("cure-plan", "A cure: its appointments and prescriptions", "/cures/{cure}", role="clinician"),
    Page("waiting", "The waiting list", "/waiting?site=north", wait="main table"),
    Page("replanning", "Planning anew after a failure", "/replanning?site=north", wait="main form"),
    Page("feeds", "Secret addresses of calendars", "/feeds?site=north", wait="main table"),
    Page("resources", "Opening hours, beds, therapists, outages", "/resources?site=north", wait="main table"),
    Page("patients", "Patients: the search and the list", "/patients", wait="main table a"),
    Page("patient-new", "A new file", "/patients/new", wait="main form"),
    Page("patient-duplicates", "Files that may be of one person", "/patients/duplicates", wait="main h1"),
    Page("patient-file", "A patient's file", "/patients/{patient}", role="clinician", wait="#notes"),
    Page("patient-edit", "Correcting a file", "/patients/{patient}/edit", wait="main form"),
    Page("patient-versions", "Versions beside each other", "/patients/{patient}/versions", wait="main table"),
    Page(
        "patient-findings", "Findings before and after", "/patients/{patient}/findings", role="clinician",
        wait="#new form",
    ),
    Page("patient-merge", "Merging two files", "/patients/{patient}/merge", wait="main form"),
    Page("patient-erase", "When a file may be erased", "/patients/{patient}/erase", wait=".alert"),
    Page(
        "questionnaire", "The questionnaire at the desk", "/patients/{patient}/questionnaire",
        role="reception", wait="html[data-keeps] .question",
    ),
    Page(
        "questionnaire-tablet", "Handing the questionnaire over on a tablet",
        "/patients/{patient}/questionnaire/tablet", role="reception", wait=".handing form",
    ),
    Page("decision", "Who may be treated, and why", "/patients/{patient}/decision", role="clinician"),
    Page("consent", "Information and consent", "/patients/{patient}/consent", role="reception"),
    Page("documents", "The clinic's documents", "/documents", role="clinician", wait="main table"),
    Page(
        "document", "A leaflet in the editor", "/documents/{kind}/{of}", role="clinician",
        wait="#preview h2",
    ),
    Page("clearance", "A patient's clearance", "/patients/{patient}/clearance", role="clinician"),
    Page(
        "outcomes-patient", "What came of one patient's treatment", "/patients/{patient}/outcomes",
        role="clinician", wait="#pain form",
    ),
    Page(
        "outcomes-questionnaire", "A questionnaire, for a tablet",
        "/patients/{patient}/outcomes/questionnaire?instrument=odi", role="therapist", wait="main form",
    ),
    Page(
        "adverse", "Reporting an adverse event", "/patients/{patient}/adverse", role="therapist",
        wait="main form",
    ),
    Page(
        "patient-costs", "What a patient's treatment costs", "/patients/{patient}/costs", role="reception",
        wait="#estimate form",
    ),
    Page(
        "patient-estimate", "An estimate, and how it was handed over",
        "/patients/{patient}/costs/{papers}/{paper}", role="reception", wait="#handing form",
    ),
    Page(
        "billing-estimates", "Estimates: who is owed one, and those made", "/billing/estimates?site=north",
        role="reception", wait="main table",
    ),
    Page("attention", "Whom a clinician has to see today", "/attention", role="clinician"),
    Page("outcomes", "The chain's report of outcomes", "/outcomes", wait="main form"),
    Page("exchange", "Exchange with practice systems", "/exchange", wait="main table"),
    Page(
        "billing-drafts", "Drafts of invoices", "/billing/drafts?site=north", role="billing",
        wait="main tbody a",
    ),
    Page(
        "billing-draft", "A draft with every rule that spoke", "/billing/drafts/{draft}", role="billing",
        wait="#change",
    ),
    Page(
        "billing-invoices", "Invoices: search and state", "/billing/invoices?site=north", role="billing",
        wait="main tbody a",
    ),
    Page("billing-invoice", "An invoice as it was issued", "/billing/invoices/{invoice}", role="billing"),
    Page(
        "billing-charges", "Who is treated and who pays", "/billing/charges?site=north", role="billing",
        wait="main tbody a",
    ),
    Page(
        "billing-patient", "A patient's treatment cases and charges",
        "/billing/charges/{patient}?site=north", role="billing", wait="#enter form",
    ),
    Page(
        "billing-consents", "Whether a billing office may have a patient's data",
        "/billing/charges/{patient}/consents?site=north", role="billing", wait="#acts table",
    ),
    Page(
        "homecare", "Home programmes: who needs a call today", "/homecare", role="clinician",
        wait="main .home-strip",
    ),
    Page(
        "homecare-patient", "A patient's home programmes", "/patients/{patient}/homecare", role="clinician",
        wait="main table",
    ),
    Page(
        "homecare-form", "Setting a home programme", "/patients/{patient}/homecare/new", role="clinician",
        wait="main form",
    ),
    Page(
        "homecare-programme", "A home programme with a report of pain", "/homecare/{programme}",
        role="clinician", wait="#days svg",
    ),
    Page(
        "homecare-edit", "The next version of a home programme", "/homecare/{programme}/edit",
        role="clinician", wait="#exercises .home-chart svg",
    ),
    Page("homecare-report", "Home programmes in figures", "/homecare/report", wait="main table"),
    Page(
        "billing-exports", "What leaves for tax advisers and billing offices",
        "/billing/exports?site=north&period=year", role="billing", wait="#deliveries table",
    ),
    Page(
        "billing-clinic", "The clinic's data and tariffs", "/billing/clinic?site=north", role="billing",
        wait="#tariffs form",
    ),
    Page(
        "billing-open-items", "What is owed, and how old it is", "/billing/open-items?site=north",
        role="billing", wait=".money-filters",
    ),
    Page(
        "billing-payments", "Payments of an invoice", "/billing/invoices/{invoice}/payments", role="billing",
        wait="#pay form",
    ),
    Page(
        "billing-bank", "A bank's statements and what is proposed", "/billing/bank?site=north",
        role="billing", wait="#entries .card",
    ),
    Page(
        "billing-dunning", "Reminders that are due, and letters", "/billing/dunning?site=north",
        role="billing", wait="#letters table",
    ),
    Page(
        "billing-revenue", "Revenue, invoiced and received", "/billing/revenue?by=month&period=year",
        role="billing", wait=".money-legend",
    ),
    Page("users", "The accounts", "/users", wait="main table"),
    Page("user", "An account", "/users/{user_id}", wait="main form"),
    Page("user-new", "A new account", "/users/new", wait="main form"),
    Page("trail", "The audit trail", "/trail", wait="main table"),
    Page("password", "One's own password", "/password", wait="main form"),
    Page("design", "Everything that pages are made of", "/design", wait=".design-theme"),
    Page("not-found", "An address that leads nowhere", "/nowhere", may_fail=("404",)),
    Page("refused", "A page that one's role does not open", "/trail", role="monitor", may_fail=("403",)),
    Page("panel", "The bedside panel: a gateway's beds", "/", at="panel", role=None, wait="#beds li"),
    Page(
        "panel-open", "A bed at the panel, nobody signed in", "/{device}", at="panel", role=None, wait=HEARS
    ),
    Page("panel-bed", "The same for its operator", "/{device}", at="panel", role="operator", wait=HEARS),
    Page(
        "panel-sign-in", "Signing in at the bed", "/{device}", at="panel", role=None, wait=HEARS,
        opens="#sign-in",
    ),
    Page(
        "panel-confirm", "Who lies down, and the dose", "/{free}", at="panel", role="operator", wait=HEARS,
        opens='[data-action="confirm"]',
    ),
    Page(
        "panel-studio", "Before the first pull: profile, modelled force, a simulated session", "/{device}",
        at="panel", role="operator", wait=HEARS, opens='[data-action="studio"]', then="#studio-session svg",
    ),
)  # fmt: skip


def listing() -> str:
    """The list of all pages with their pictures, as docs/pictures/README.md has it."""
    head = (
        "# Every page",
        "",
        "At a desk (1440 px) and on a phone (390 px), dark and light; `make pictures` makes all of this.",
        "",
        "| page | address | opened by | pictures |",
        "|---|---|---|---|",
    )
    return "\n".join((*head, *map(_line, PAGES), ""))


def _line(row: Page) -> str:
    where = f"`{row.path}`" + (" at the panel" if row.at == "panel" else "")
    looks = [f"{width} {theme}" for (width, _), theme in product(SIZES, THEMES)]
    links = " ".join(f"[{look}]({name})" for look, name in zip(looks, row.pictures, strict=True))
    return f"| {row.shows} | {where} | {row.role or 'nobody'} | {links} |"
