"""Whose an account is: the sites that have it in their letterheads, and when they had it.

An entry is one, whichever site's file it came in with: its account and its mark are its identity.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, or_

from services.billing.clinics import store as clinics
from services.billing.errors import Invalid, said
from services.billing.payments.statements import Statement
from services.billing.payments.tables import ENTRIES
from services.kit.language import Text
from services.kit.moments import instant_of

GRACE_DAYS: Final = 90  # money comes in on an account that was another one then
Span = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Accounts:
    """Of every site its accounts, each with the days of which its entries count there."""

    spans: Mapping[str, Mapping[str, Sequence[Span]]]

    def sites(self, row: Any) -> set[str]:
        """The sites whose money an entry may be: the one that gave it in, and all that have its account."""
        held = {
            site
            for site, accounts in self.spans.items()
            if any(low <= row["booked_on"] <= high for low, high in accounts.get(row["account"], ()))
        }
        return held | {row["site"]}

    def entries_of(self, site: str) -> ColumnElement[bool]:
        """The same, asked of the database."""
        own = [
            and_(ENTRIES.c.account == account, ENTRIES.c.booked_on.between(low, high))
            for account, spans in self.spans.get(site, {}).items()
            for low, high in spans
        ]
        return or_(ENTRIES.c.site == site, *own)


def known(connection: Connection) -> Accounts:
    """Of every site, by all that it ever said of itself."""
    return Accounts({site: _accounts(rows) for site, rows in clinics.every_version(connection).items()})


def of_statement(connection: Connection, site: str, told: Statement) -> str:
    """The account of a file: the one that it names, else the site's. Raises Invalid for another's."""
    versions = clinics.versions(connection, site)
    own = versions[0]["content"]["iban"] if versions else None
    _require_own(versions, own, told)
    return told.iban or own or f"@{site}"


def _accounts(versions: Sequence[Mapping[str, Any]]) -> dict[str, list[Span]]:
    own = versions[0]["content"]["iban"]
    former = {row["content"]["iban"] for row in versions} - {own, None}
    found = {account: _spans(versions, account) for account in former}
    return found | ({own: [(date.min, date.max)]} if own else {})


def _require_own(versions: Sequence[Mapping[str, Any]], own: str | None, told: Statement) -> None:
    """Raises Invalid for an account that is not the clinic's, or was not at the time of an entry."""
    if not own or not told.iban or own == told.iban:
        return
    spans = _spans(versions, told.iban)
    late = [one for one in told.entries if not any(low <= one.booked_on <= high for low, high in spans)]
    if spans and not late:
        return
    raise said(Invalid, _words(told.iban, own, spans, [one.booked_on for one in late]))


def _words(iban: str, own: str, spans: Iterable[Span], late: Sequence[date]) -> Text:
    words: Text = {
        "de": f"Der Auszug ist vom Konto {iban}; die Praxis hat {own}: nichts gebucht.",
        "en": f"the statement is of account {iban}; the clinic has {own}: nothing was booked",
    }
    when = ", ".join(f"{low:%d.%m.%Y} - {high:%d.%m.%Y}" for low, high in spans)
    if not when:
        return words
    return {
        "de": f"{words['de']} Vom Konto davor gelten Buchungen von {when}; im Auszug ist eine vom "
        f"{late[0]:%d.%m.%Y}.",
        "en": f"{words['en']}; of the account before it entries of {when} count; the statement has "
        f"one of {late[0]}",
    }


def _spans(versions: Sequence[Mapping[str, Any]], iban: str) -> list[Span]:
    """When an account was the clinic's, with the days in which money may still come in on it."""
    grace, spans, after = timedelta(days=GRACE_DAYS), [], None
    for version in versions:  # newest first
        began = instant_of(version["at_us"]).astimezone(ZoneInfo(version["content"]["zone"])).date()
        if version["content"]["iban"] == iban and after is not None:
            spans.append((began - grace, after + grace))
        after = began
    return spans
