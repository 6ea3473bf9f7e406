"""Gateways whose release is not made to work with the centre's: named on every page, and at their beds."""

from typing import Final

from broker import release
from services.console.live import Live
from services.console.models import Gateway
from services.console.texts import TEXTS
from services.console.views import View
from services.kit.language import Language

NAMED: Final = 3  # of several; the rest is counted


def of(gateway: Gateway) -> str:
    """What it says that it has; empty: nothing."""
    return gateway.said.versions.get("spondyl", "")


def is_apart(gateway: Gateway) -> bool:
    """Whether it is not made to work with what runs here."""
    return not release.together(release.OURS, of(gateway))


def told(live: Live, view: View) -> str:
    """The banner of who may see these sites; empty while all work together. The lock of ``live`` is held."""
    apart = sorted(
        (site, name, of(gateway))
        for (site, name), gateway in live.gateways.items()
        if view.sees(site) and is_apart(gateway)
    )
    return _words(apart, view.language) if apart else ""


def _words(apart: list[tuple[str, str, str]], language: Language) -> str:
    named = ", ".join(f"{name} ({found})" for _, name, found in apart[:NAMED])
    more = f" + {len(apart) - NAMED}" if len(apart) > NAMED else ""
    return TEXTS["releases_apart"][language].format(gateways=named + more, ours=release.OURS)
