"""A reminder as an e-mail.

No name, no illness, no exercise, and no link: whoever reads somebody's mail gets in nowhere.
"""

from dataclasses import dataclass
from datetime import date, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from uuid import UUID, uuid5

from services.kit.language import Language, Text

SUBJECT: Final[Text] = {"de": "Erinnerung für heute", "en": "Reminder for today"}
BODY: Final[Text] = {
    "de": "Guten Tag,\n\nheute haben wir noch nichts von Ihnen gehört. Wenn es Ihnen gut geht: Öffnen Sie "
    "die Seite auf Ihrem Telefon wie immer, ein paar Minuten genügen.\n\n"
    "Wenn Sie heute schon fertig sind und Ihr Telefon nur offline war, ist nichts zu tun. "
    "Wenn etwas weh tut, lassen Sie es und sagen Sie es uns.\n\n"
    "In dieser Nachricht steht absichtlich kein Link und kein Name. Möchten Sie keine Erinnerungen mehr, "
    "sagen Sie es uns bitte.\n\nDiese Nachricht wurde automatisch versandt.\n",
    "en": "Hello,\n\nwe have not heard from you today. If you feel well: open the page on your telephone as "
    "always, a few minutes are enough.\n\n"
    "If you are done for today and your telephone was just offline, there is nothing to do. "
    "If anything hurts, leave it and tell us.\n\n"
    "There is no link and no name in this message on purpose. If you want no more reminders, please tell "
    "us.\n\nThis message was sent automatically.\n",
}


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder and whom it is for."""

    programme: UUID
    day: date
    email: str
    language: Language


def message(reminder: Reminder, sender: str, at: datetime) -> EmailMessage:
    """The e-mail; its id is the programme's and the day's, so that a second one would be known as such."""
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(addr_spec=sender)
    made["To"] = Address(addr_spec=reminder.email)
    made["Subject"] = SUBJECT[reminder.language]
    made["Date"] = format_datetime(at)
    name = uuid5(reminder.programme, f"reminder {reminder.day}")  # (its own id is nobody's business)
    made["Message-ID"] = f"<{name}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"  # (RFC 3834: no holiday answers back)
    made["Content-Language"] = reminder.language
    made.set_content(BODY[reminder.language])
    return made
