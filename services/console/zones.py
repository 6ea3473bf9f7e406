"""By which clock a page tells and reads its times: by that of the site that it is about.

The scheduler says each site's zone (stream ``site``, retained). Where a page is about no site, its times are
by the clock that all sites of its reader share; where they share none, by this machine's, and it says so.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import tzinfo
from zoneinfo import ZoneInfo

from services.kit.auth.principal import ALL_SITES, Principal


class Zones:
    """The zone of each site, as it was heard last. Safe from any thread: entries are only ever replaced."""

    def __init__(self) -> None:
        self._of: dict[str, ZoneInfo] = {}

    def told(self, site: str, name: str) -> None:
        """The scheduler says it; a zone that this machine does not know is none."""
        with suppress(ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            self._of[site] = ZoneInfo(name)

    def of(self, site: str) -> tzinfo | None:
        """The zone of a site; None where nobody has told it: then this machine's counts."""
        return self._of.get(site)

    def shared(self, who: Principal) -> tzinfo | None:
        """The one zone of all sites where this one is somebody; None: there is none, or they have several."""
        found = {zone.key: zone for zone in self._known(who)}
        return next(iter(found.values())) if len(found) == 1 else None

    def differ(self, who: Principal) -> bool:
        """Whether this one's sites have several clocks."""
        return len({zone.key for zone in self._known(who)}) > 1

    def _known(self, who: Principal) -> Iterable[ZoneInfo]:
        sites = {grant.site for grant in who.grants}
        return [zone for site, zone in dict(self._of).items() if ALL_SITES in sites or site in sites]
