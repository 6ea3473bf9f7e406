"""A reminder as an e-mail."""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.language import Language, Text

_DAYS: Final = {"de": "EEEE, d. MMMM y, HH:mm 'Uhr'", "en": "EEEE, d MMMM y, HH:mm"}
_SHORT: Final = {"de": "dd.MM.y, HH:mm 'Uhr'", "en": "d MMM y, HH:mm"}
_SUBJECT: Final[Text] = {
    "de": "Erinnerung: Ihr Termin am {short}",
    "en": "Reminder: your appointment on {short}",
}
# No name, no treatment: whoever glances at a telephone learns that there is an appointment, and nothing else.
_BODY: Final[Text] = {
    "de": "Guten Tag,\n\nwir erinnern Sie an Ihren Termin:\n\n  {day}\n  Standort: {site}\n\n"
    "Wenn Sie nicht kommen können, sagen Sie uns bitte Bescheid.\n\n"
    "Diese Nachricht wurde automatisch versandt.\n",
    "en": "Hello,\n\nthis is a reminder of your appointment:\n\n  {day}\n  Site: {site}\n\n"
    "If you cannot come, please let us know.\n\nThis message was sent automatically.\n",
}


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder and whom it is for."""

    appointment: UUID
    starts_at: datetime
    site: str
    zone: ZoneInfo
    email: str
    language: Language


def message(reminder: Reminder, sender: str, at: datetime) -> EmailMessage:
    """The e-mail; its id is the appointment's and the time's, so that a second one would be known as such."""
    from babel.dates import format_datetime as shown

    local = reminder.starts_at.astimezone(reminder.zone)
    language = reminder.language
    words = {
        "short": shown(local, _SHORT[language], tzinfo=reminder.zone, locale=language),
        "day": shown(local, _DAYS[language], tzinfo=reminder.zone, locale=language),
        "site": reminder.site,
    }
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(addr_spec=sender)
    made["To"] = Address(addr_spec=reminder.email)
    made["Subject"] = _SUBJECT[language].format(**words)
    made["Date"] = format_datetime(at)
    domain = sender.rpartition("@")[2]
    made["Message-ID"] = f"<{reminder.appointment}.{int(reminder.starts_at.timestamp())}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"  # (RFC 3834: no holiday answers back)
    made["Content-Language"] = language
    made.set_content(_BODY[language].format(**words))
    return made
