"""Times of an appointment on its site's clock, and the wish to move it there."""

from datetime import datetime
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")


def on(one, hour, minute=0):
    """The day of an appointment, at another hour."""
    local = datetime.fromisoformat(one["starts_at"]).astimezone(BERLIN)
    return local.replace(hour=hour, minute=minute)


def moved(starts_at, **more):
    """A wish to move there."""
    return {"starts_at": starts_at.isoformat(), "reason": "the patient's wish"} | more
