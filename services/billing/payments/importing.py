"""A bank's file taken in: its entries kept at once, then matched in batches, each a transaction of its own.

Cut off anywhere, the same file again goes on: an entry is known by its account and its mark.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import Connection, exists, func, insert, select

from services.billing.invoices import store as invoices
from services.billing.models import cents
from services.billing.payments import accounts, booking, statements, store
from services.billing.payments.booking import Till
from services.billing.payments.models import Item, NewPayment
from services.billing.payments.statements import Candidate, Entry, Opened, Statement
from services.billing.payments.tables import ENTRIES, PAYMENTS, STATEMENTS
from services.kit.business.service import Office
from services.kit.database import reading, writing, writing_again
from services.kit.moments import Now, instant_of, us_of

BATCH: Final = 200
MOST_AT_ONCE: Final = 5_000  # marks in one statement
Row = dict[str, Any]
One = TypeVar("One")
May = Callable[[str], bool]  # whether the one who imports may book at a site


@dataclass(frozen=True, slots=True)
class Kept:
    """What is there once the entries are kept."""

    statement: str
    account: str
    marks: tuple[str, ...]
    new: int
    before: Row | None  # an earlier import of all of it


@dataclass(frozen=True, slots=True)
class Importing:
    """Takes files in, for one office."""

    office: Office
    now: Now
    batch: int = BATCH

    def take(self, site: str, data: bytes, by: str, may: May) -> Row:
        """Keep the entries that are new, book those that are sure. Raises Invalid, and then nothing is kept.

        ``booked``: entries of the file that are kept; ``left``: those of them that are open now.
        """
        told = statements.read(data)
        kept = writing_again(
            self.office.engine, lambda connection: self._keep(connection, site, data, told, by)
        )
        matched = self._match(kept, by, may)
        with reading(self.office.engine) as connection:
            left = _count_open(connection, kept)
        return {
            "statement": kept.statement, "new": kept.new, "known": len(told.entries) - kept.new,
            "booked": len(kept.marks), "matched": matched, "left": left, "before": kept.before,
        }  # fmt: skip

    def _keep(self, connection: Connection, site: str, data: bytes, told: Statement, by: str) -> Kept:
        account = accounts.of_statement(connection, site, told)
        marks = {one.mark: one for one in told.entries}
        known = _known(connection, account, site, marks)
        new = {mark: one for mark, one in marks.items() if mark not in known}
        statement = _statement(connection, site, account, data)
        before = None if new else _before(connection, statement, known)
        if statement is None:
            statement = self._add_statement(connection, site, data, told, by)
        if new:
            connection.execute(insert(ENTRIES), _rows(statement, site, account, new))
        return Kept(statement, account, tuple(sorted(marks)), len(new), before)

    def _add_statement(self, connection: Connection, site: str, data: bytes, told: Statement, by: str) -> str:
        made = str(uuid4())
        connection.execute(
            insert(STATEMENTS).values(
                id=made, site=site, sha256=hashlib.sha256(data).hexdigest(), iban=told.iban, content=data,
                by=by[:80], at_us=us_of(self.now()),
            )
        )  # fmt: skip
        return made

    def _match(self, kept: Kept, by: str, may: May) -> int:
        with reading(self.office.engine) as connection:
            rows = _undecided(connection, kept)
            sites = {id_: own for id_, own in _sites(connection, rows, may).items() if own}
            opened = booking.opened(connection, set().union(*sites.values()))
        sure = _sure([row for row in rows if row["id"] in sites], sites, opened)
        return sum(self._book(dict(part), by) for part in _parts(sure, self.batch))

    def _book(self, sure: Mapping[str, Candidate], by: str) -> int:
        """Those of a batch that are still sure, whatever desks did meanwhile."""
        with writing(self.office.engine) as connection:
            rows = _locked(connection, sure)
            items = _locked_items(connection, [sure[row["id"]].item for row in rows])
            booked = sum(
                self._pay(connection, row, items[sure[row["id"]].item.invoice.id], by) for row in rows
            )
        self.office.outbox.woken.set()
        return booked

    def _pay(self, connection: Connection, row: Any, item: Item, by: str) -> bool:
        entry, key = booking.entry_of(row), UUID(row["id"])
        if not statements.settles(entry, item):
            return False
        request = statements.request_of(key, item.invoice.id)
        body = NewPayment(request=request, amount=entry.amount, received_on=entry.booked_on)
        Till(self.office, self.now).pay(connection, item.invoice, body, by, key)
        booking.put_state(connection, key, "matched", None)
        return True


def _known(connection: Connection, account: str, site: str, marks: Iterable[str]) -> dict[str, str]:
    """Of these entries those that are kept, each with the file that it came with."""
    own = (ENTRIES.c.account == account) | (ENTRIES.c.site == site)
    return {
        row.mark: row.statement
        for part in _parts(marks, MOST_AT_ONCE)
        for row in connection.execute(
            select(ENTRIES.c.mark, ENTRIES.c.statement).where(own, ENTRIES.c.mark.in_(part))
        )
    }


def _statement(connection: Connection, site: str, account: str, data: bytes) -> str | None:
    """The same file given in before, by any site of the account."""
    digest = hashlib.sha256(data).hexdigest()
    own = (STATEMENTS.c.iban == account) | (STATEMENTS.c.site == site)
    wanted = select(STATEMENTS.c.id).where(own, STATEMENTS.c.sha256 == digest).order_by(STATEMENTS.c.at_us)
    found: str | None = connection.execute(wanted.limit(1)).scalar()
    return found


def _before(connection: Connection, same: str | None, known: Mapping[str, str]) -> Row | None:
    """When, where and by whom all of it was imported: the same file, else the last with an entry of it."""
    files = [same] if same else sorted(set(known.values()))[:MOST_AT_ONCE]
    wanted = select(STATEMENTS.c.site, STATEMENTS.c.by, STATEMENTS.c.at_us).where(STATEMENTS.c.id.in_(files))
    row = connection.execute(wanted.order_by(STATEMENTS.c.at_us.desc()).limit(1)).first()
    return row and {"at": instant_of(row.at_us).isoformat(), "site": row.site, "by": row.by}


def _rows(statement: str, site: str, account: str, new: Mapping[str, Entry]) -> list[Row]:
    """In one order, so that two imports at once wait for each other instead of crossing."""
    return [
        {
            "id": str(uuid4()), "statement": statement, "site": site, "mark": mark, "account": account,
            "booked_on": entry.booked_on, "amount_ct": cents(entry.amount), "name": entry.name,
            "iban": entry.iban, "purpose": entry.purpose, "state": "open", "why": None,
        }
        for mark, entry in sorted(new.items())
    ]  # fmt: skip


def _undecided(connection: Connection, kept: Kept) -> list[Any]:
    """Entries of the file that never paid anything: what a person took back is a person's to decide."""
    paid = exists().where(PAYMENTS.c.entry == ENTRIES.c.id)
    found = (
        row
        for part in _own(kept)
        for row in connection.execute(
            select(ENTRIES).where(part, ENTRIES.c.state == "open", ~paid)
        ).mappings()
    )
    return sorted(found, key=lambda row: row["id"])


def _count_open(connection: Connection, kept: Kept) -> int:
    wanted = select(func.count()).select_from(ENTRIES)
    return sum(
        connection.execute(wanted.where(part, ENTRIES.c.state == "open")).scalar_one() for part in _own(kept)
    )


def _own(kept: Kept) -> Iterator[Any]:
    for part in _parts(kept.marks, MOST_AT_ONCE):
        yield (ENTRIES.c.account == kept.account) & ENTRIES.c.mark.in_(part)


def _sites(connection: Connection, rows: Iterable[Any], may: May) -> dict[str, set[str]]:
    """Of each entry the sites whose invoices the one who imports may let it pay."""
    known = accounts.known(connection)
    return {row["id"]: {site for site in known.sites(row) if may(site)} for row in rows}


def _sure(
    rows: Iterable[Any], sites: Mapping[str, set[str]], opened: Mapping[str, Opened]
) -> Iterator[tuple[str, Candidate]]:
    """Entries that name one invoice and are exactly what is open of it, as it was read."""
    for row in rows:
        own = [opened[site] for site in sorted(sites[row["id"]])]
        found = statements.sure(statements.candidates(booking.entry_of(row), own))
        if found is not None:
            opened[found.item.invoice.site].paid(found.item)
            yield row["id"], found


def _locked(connection: Connection, entries: Iterable[str]) -> list[Any]:
    """Those that still wait, in one order; nobody else decides them until this transaction ends."""
    at = ENTRIES.c.id.in_(list(entries)) & (ENTRIES.c.state == "open")
    wanted = select(ENTRIES).where(at).order_by(ENTRIES.c.id).with_for_update()
    rows = connection.execute(wanted).mappings().all()
    paid = store.of_entries(connection, [row["id"] for row in rows])
    return [row for row in rows if not paid[row["id"]]]


def _locked_items(connection: Connection, wanted: Iterable[Item]) -> dict[UUID, Item]:
    """Their invoices as they are now, locked in one order."""
    held = invoices.all_locked(connection, [item.invoice.id for item in wanted])
    return {item.invoice.id: item for item in store.items(connection, held)}


def _parts(every: Iterable[One], most: int) -> Iterator[list[One]]:
    """So many at once."""
    rest = iter(every)
    while part := list(islice(rest, most)):
        yield part
