"""Times of an appointment on its site's clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")


def on(one, hour, minute=0):
    """The day of an appointment, at another hour."""
    local = datetime.fromisoformat(one["starts_at"]).astimezone(BERLIN)
    return local.replace(hour=hour, minute=minute)
