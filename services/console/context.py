"""What the console's routes share."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from services.console import navigation
from services.console.accounts.accounts import Accounts
from services.console.accounts.limits import RefusedRows
from services.console.accounts.users import Users
from services.console.acknowledging import AlarmDesk
from services.console.archive import Archive
from services.console.chain_watch import ChainWatch
from services.console.fanout import Fanout
from services.console.handovers import Handovers
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.offices import OfficeClient
from services.console.remote import Remote
from services.console.screens import Screens
from services.console.store import Store
from services.console.texts import TEXTS
from services.console.trail import open_trail
from services.kit import formats
from services.kit.auth import tokens
from services.kit.auth.keys import read_private
from services.kit.auth.principal import Principal
from services.kit.looks import Looks
from services.kit.pages import Language, Pages, language_of
from services.kit.trail import Trail, canonical
from services.kit.words import PHASES

log = structlog.get_logger(__name__)

HERE: Final = Path(__file__).parent
SERVERS_CLOCK: Final = time.strftime("UTC%z").removesuffix("+0000")
# What the scripts say themselves; everything else comes from the server as it is shown.
SCRIPT_TEXTS: Final = (
    "announce_worse", "announce_clear", "broker_down", "console_down", "ceiling", "peak", "counter", "target",
    "tension", "time", "least", "history_empty", "history_down",
    "alarm_acknowledge", "alarm_acknowledge_this", "alarm_acknowledged_now", "alarm_acknowledged_before",
    "alarm_gone", "alarm_not_acknowledged", "alarm_more", "alarm_fewer", "sound_off", "sound_on",
    "sound_muted", "sound_blocked", "sound_off_hint", "sound_on_hint", "sound_muted_hint",
    "sound_blocked_hint", "sound_switch_on", "sound_switch_off",
)  # fmt: skip


@dataclass(slots=True)
class Console:
    """The rooms behind the pages, made once at the start."""

    live: Live
    remote: Remote
    settings: ConsoleSettings
    store: Store
    accounts: Accounts = field(init=False)
    fanout: Fanout = field(init=False)
    pages: Pages = field(init=False)
    trail: Trail = field(init=False)
    chain: ChainWatch = field(init=False)
    desk: AlarmDesk = field(init=False)
    users: Users = field(init=False)
    archive: Archive = field(init=False)
    screening: OfficeClient = field(init=False)
    scheduler: OfficeClient = field(init=False)
    billing: OfficeClient = field(init=False)
    homecare: OfficeClient = field(init=False)
    screens: Screens = field(init=False)
    handovers: Handovers = field(init=False)
    looks: Looks = field(init=False, default_factory=Looks)
    refused: RefusedRows = field(init=False, default_factory=RefusedRows)
    key: Ed25519PrivateKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.store, secure=self.settings.secure)
        self.fanout = Fanout(self.live)
        self.pages = Pages([HERE / "templates"], TEXTS)
        self.trail = open_trail(self.store.engine, self.settings.data)
        self.chain = ChainWatch(self.trail)
        self.desk = AlarmDesk(self.store.engine, self.live)
        self.users = Users(self.store, self.trail, self.settings.data, self.settings.work)
        self.key = read_private(tokens.ensure_keys(self.settings.data).private, tokens.NAME)
        self.screens = Screens(self.store.engine)
        self.handovers = Handovers(self.store, self.settings.tablet_minutes)
        self.archive = Archive(self.settings.telemetry_url, self.token_for)
        self.screening = self._office("screening", self.settings.screening_url, tokens.SCREENING)
        self.scheduler = self._office("scheduler", self.settings.scheduler_url, tokens.SCHEDULER)
        self.billing = self._office("billing", self.settings.billing_url, tokens.BILLING)
        self.homecare = self._office("homecare", self.settings.homecare_url, tokens.HOMECARE)

    def _office(self, name: str, address: str, audience: str) -> OfficeClient:
        """A business service, which writes down itself who saw and changed what."""
        return OfficeClient(name, address, lambda who: tokens.mint(self.key, who, audiences=(audience,)))

    @property
    def tablet_cookie(self) -> str:
        """The name of what a tablet with a questionnaire has instead of a sign-in."""
        return f"{self.accounts.cookie}-tablet"

    def at(self, site: str) -> None:
        """What this request shows and reads is of this site: its clock counts."""
        formats.go_by(self.live.zones.of(site))

    def clock_of(self, site: str) -> str:
        """What that clock is called: of a form whose times somebody might take for those of another."""
        return str(self.live.zones.of(site) or SERVERS_CLOCK)

    def _servers_clock(self, who: Principal | None) -> str:
        """Its name, on a page of sites with several clocks; empty where nobody can doubt whose time it is."""
        doubted = who is not None and not formats.goes_by_a_site() and self.live.zones.differ(who)
        return SERVERS_CLOCK if doubted else ""

    def token_for(self, who: Principal) -> str:
        """A token of a minute for telemetry, in this one's own name: it checks role and site itself, and
        leaves to this console's trail what is seen.
        """
        return tokens.mint(self.key, who, via=tokens.VIA_CONSOLE)

    def token_for_panel(self, who: Principal, site: str) -> str:
        """One for a panel: only what they may at its site, for a panel's machine may be anybody's."""
        return tokens.mint(self.key, who.at(site), audiences=(tokens.PANEL,))

    def panel_of(self, site: str, device: str) -> str | None:
        """Where a bed's panel is. A device's name alone counts where no other site has one of that name."""
        panels = self.settings.panels
        if f"{site}/{device}" in panels or device not in panels:
            return panels.get(f"{site}/{device}")
        with self.live.lock:
            heard = any(key.device == device and key.site != site for key in self.live.devices)
        named = any(name.endswith(f"/{device}") for name in panels)
        return None if heard or named else panels[device]

    async def record(
        self, request: HTTPConnection, who: Principal, action: str, *, record: str | None = None,
        site: str | None = None, detail: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Put into the audit trail who did or saw what. Raises TrailUnavailable."""
        address = request.client.host if request.client else ""
        await run_in_threadpool(
            self.trail.append, who, action, record=record, site=site, address=address, detail=detail
        )

    async def record_refused(
        self, request: HTTPConnection, who: Principal, detail: Mapping[str, Any], *, known: bool
    ) -> None:
        """The same, of a sign-in that was refused; of strangers no more than `accounts/limits.py` lets pass.

        The next row says how many were left out. Raises TrailUnavailable.
        """
        left_out = 0 if known else self.refused.take()
        if left_out is None:
            log.warning("a refused sign-in has no row of its own", reason=detail.get("reason"))
            return
        more = {"left_out": left_out} if left_out else {}
        await self.record(request, who, "sign_in.refused", detail={**detail, **more})

    async def record_look(
        self, request: HTTPConnection, who: Principal, action: str, *, record: str | None = None,
        site: str | None = None, detail: Mapping[str, Any] | None = None,
        question: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """The same, once in a quarter of an hour of a sign-in: to look again is the same look.

        ``question`` is what a list was asked: another one is another look. Two at once may leave a row each,
        never none. Raises TrailUnavailable.
        """
        look = _look(request, record, question)
        if not self.looks.known(who, action, look):
            await self.record(request, who, action, record=record, site=site, detail=detail)
            self.looks.put_down(who, action, look)

    def has_looked(self, request: HTTPConnection, who: Principal, action: str, record: str) -> bool:
        """Whether that look stands in the trail already."""
        return self.looks.known(who, action, _look(request, record))

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        principal: Principal | None = None,
        **context: Any,
    ) -> Response:
        """A page in the reader's language, with the alarm header and what the scripts need.

        Whose page it is: ``principal``, else the one that the guard left in ``request.state``.
        """
        language = language_of(request)
        who = principal or getattr(request.state, "principal", None)
        signed_in = getattr(request.state, "signed_in", None)
        exists = partial(navigation.exists, request.app)
        frame = {
            "header": self.fanout.header(language, who.sites("beds.see") if who else frozenset()),
            "texts": script_texts(self.pages.texts(language), language),
            "principal": who,
            "roles": navigation.roles(who, language),
            "navigation": navigation.shown(exists, who),
            "exists": exists,
            "home": navigation.home(who),
            "hears_home": who is not None and who.may("homecare.see") and self.homecare.is_here,
            "sees_beds": who is not None and who.may("beds.see"),
            "csrf": getattr(request.state, "csrf", ""),
            "person": signed_in[1].title if signed_in else who and who.name,
            "bare": False,
            "servers_clock": self._servers_clock(who),
            "page_zone": formats.zone_name(),
        }
        return self.pages.render(request, template, status=status, **(frame | context))


def _look(connection: HTTPConnection, record: str | None, question: Mapping[str, Any] | None = None) -> str:
    """What makes a look the same one: the sign-in (none of a token), the record, what was asked."""
    signed_in = getattr(connection.state, "signed_in", None)
    return f"{signed_in[0].id if signed_in else ''} {record or ''} {canonical(question or {})}"


def script_texts(texts: dict[str, str], language: Language) -> dict[str, Any]:
    """What the scripts need of the texts, in one language."""
    phases = [
        {"name": name, "text": words.name[language], "tone": words.tone} for name, words in PHASES.items()
    ]
    return {**{name: texts[name] for name in SCRIPT_TEXTS}, "phases": phases}
