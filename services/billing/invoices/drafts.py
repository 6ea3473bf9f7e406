"""Drafts: open charges put together, by hand or because their time has come."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, insert, select, update

from services.billing.charges import store as charges
from services.billing.charges.models import Case, Charge
from services.billing.errors import Conflict, NotFound, said
from services.billing.estimates import agreeing
from services.billing.invoices.models import Draft, DraftChange, Said, Why
from services.billing.invoices.tables import DRAFTED, DRAFTS
from services.billing.models import Outlay

OWN: Final = ("left_out", "outlays_of")  # kept beside what a person said


def one(connection: Connection, draft: UUID, *, lock: bool = False) -> Draft:
    """By its id. Raises NotFound."""
    wanted = select(DRAFTS).where(DRAFTS.c.id == str(draft))
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().first()
    if row is None:
        raise said(NotFound, {"de": f"Entwurf {draft} gibt es nicht.", "en": f"there is no draft {draft}"})
    return _draft(row)


def exists(connection: Connection, draft: UUID) -> bool:
    """Whether it waits still."""
    return connection.execute(select(DRAFTS.c.id).where(DRAFTS.c.id == str(draft))).first() is not None


def listed(connection: Connection, site: str) -> list[Draft]:
    """A site's, oldest first."""
    wanted = select(DRAFTS).where(DRAFTS.c.site == site).order_by(DRAFTS.c.at_us, DRAFTS.c.id)
    return [_draft(row) for row in connection.execute(wanted).mappings()]


def by_request(connection: Connection, request: UUID) -> Draft | None:
    """What this request made already."""
    row = connection.execute(select(DRAFTS).where(DRAFTS.c.request == str(request))).mappings().first()
    return None if row is None else _draft(row)


def charges_of(connection: Connection, draft: UUID) -> list[Charge]:
    """What stands on it, by day; never what was taken back."""
    wanted = select(DRAFTED.c.charge).where(DRAFTED.c.draft == str(draft))
    held = charges.of(connection, [UUID(charge) for charge in connection.execute(wanted).scalars()])
    return [charge for charge in held if charge.is_open]


def drafted(connection: Connection, wanted: Iterable[UUID]) -> set[UUID]:
    """Those of these charges that wait on a draft."""
    keys = [str(charge) for charge in wanted]
    found = connection.execute(select(DRAFTED.c.charge).where(DRAFTED.c.charge.in_(keys))).scalars()
    return {UUID(charge) for charge in found}


def make(
    connection: Connection,
    case: Case,
    wanted: Sequence[Charge],
    why: Why,
    by: str,
    at_us: int,
    request: UUID | None = None,
) -> Draft:
    """A draft of these charges; a charge waits on one draft alone (IntegrityError)."""
    made = Draft(uuid4(), case.site, case.patient, case.id, why, Said(), by[:80], at_us, 1)
    connection.execute(
        insert(DRAFTS).values(
            id=str(made.id), request=request and str(request), site=made.site, patient=str(made.patient),
            case=str(made.case), why=why, said=made.said.model_dump(mode="json"), by=made.by, at_us=at_us,
            revision=1,
        )
    )  # fmt: skip
    put_on(connection, made.id, wanted)
    return made


def put_on(connection: Connection, draft: UUID, wanted: Iterable[Charge]) -> None:
    """Let these wait on the draft, too."""
    rows = [{"charge": str(charge.id), "draft": str(draft)} for charge in wanted]
    if rows:
        connection.execute(insert(DRAFTED), rows)


def grow(connection: Connection, draft: Draft, wanted: Sequence[Charge]) -> None:
    """The same, so that whoever looks at it is told that it changed."""
    put_on(connection, draft.id, wanted)
    _revise(connection, draft)


def release(connection: Connection, wanted: Iterable[Charge]) -> dict[UUID, UUID]:
    """Take these off whatever drafts they wait on, each with its draft; who looks is told that it changed."""
    at = DRAFTED.c.charge.in_([str(charge.id) for charge in wanted])
    found = connection.execute(select(DRAFTED.c.charge, DRAFTED.c.draft).where(at)).all()
    held = {UUID(row.charge): UUID(row.draft) for row in found}
    for draft in sorted(set(held.values())):
        _revise(connection, one(connection, draft, lock=True))
    connection.execute(delete(DRAFTED).where(at))
    return held


def stay_out(connection: Connection, case: UUID, instead: Mapping[UUID, UUID]) -> None:
    """What a person left out of this case's drafts stays out under the charge that took its place."""
    wanted = select(DRAFTS).where(DRAFTS.c.case == str(case)).with_for_update()
    for draft in [_draft(row) for row in connection.execute(wanted).mappings()]:
        if not instead.keys().isdisjoint(draft.left_out):
            _revise(
                connection,
                draft,
                said=_kept(draft.said, [instead.get(one, one) for one in draft.left_out], draft.outlays_of),
            )


def change(connection: Connection, draft: Draft, body: DraftChange, by: str, at_us: int) -> None:
    """What a person makes of it: changed lines are charged anew, left out ones stay open. Raises Conflict."""
    require_revision(draft, body.revision)
    held = {charge.id: charge for charge in charges_of(connection, draft.id)}
    for changed in body.lines:
        charge = held.get(changed.charge)
        if charge is None:
            raise said(
                NotFound,
                {
                    "de": f"Leistung {changed.charge} steht nicht auf diesem Entwurf.",
                    "en": f"charge {changed.charge} is not on this draft",
                },
            )
        told = changed.told()
        if changed.factor is not None:
            told["agreed"] = agreeing.is_agreed(
                connection, draft.site, draft.patient, charge.line, changed.factor
            )
        if changed.leave_out or told:
            connection.execute(delete(DRAFTED).where(DRAFTED.c.charge == str(charge.id)))
        if told and not changed.leave_out:
            put_on(connection, draft.id, [charges.replace(connection, charge, told, by, at_us)])
    _take_in(connection, draft, body.add)
    words = Said.model_validate(body.model_dump(exclude={"revision", "lines", "add"}))
    out = {*draft.left_out, *(line.charge for line in body.lines if line.leave_out)} - {*body.add}
    _revise(connection, draft, said=_kept(words, out, draft.outlays_of))


def _take_in(connection: Connection, draft: Draft, wanted: Iterable[UUID]) -> None:
    """Put these open charges of its case on the draft, too. Raises Conflict for any other."""
    held = {charge.id for charge in charges_of(connection, draft.id)}
    new = [charge for charge in wanted if charge not in held]
    fit = [one for one in charges.of(connection, new) if one.is_open and one.case == draft.case]
    taken = drafted(connection, new)
    if len(fit) != len(new) or taken:
        raise said(
            Conflict,
            {
                "de": "Eine der Leistungen gehört zu einem anderen Behandlungsfall, steht auf einem anderen "
                "Entwurf oder ist nicht mehr offen.",
                "en": "one of the charges is of another case, waits on another draft or is open no more",
            },
        )
    put_on(connection, draft.id, fit)


def left_out_of(connection: Connection, case: UUID) -> list[UUID]:
    """What a person left out of the drafts of a case."""
    rows = connection.execute(select(DRAFTS).where(DRAFTS.c.case == str(case))).mappings()
    return [charge for row in rows for charge in _draft(row).left_out]


def of_case(connection: Connection, case: UUID) -> list[Draft]:
    """Those of a case, the oldest first; nobody else changes them until this transaction ends."""
    wanted = select(DRAFTS).where(DRAFTS.c.case == str(case)).order_by(DRAFTS.c.at_us, DRAFTS.c.id)
    return [_draft(row) for row in connection.execute(wanted.with_for_update()).mappings()]


def take_back_in(connection: Connection, draft: Draft, returned: Mapping[UUID, Iterable[Outlay]]) -> Draft:
    """Let outlays of these cancelled invoices stand on the draft, too."""
    outlays = (*draft.said.outlays, *(outlay for found in returned.values() for outlay in found))
    words = draft.said.model_copy(update={"outlays": outlays})
    named = (*draft.outlays_of, *returned)
    _revise(connection, draft, said=_kept(words, draft.left_out, named))
    return one(connection, draft.id)


def move(connection: Connection, draft: Draft, case: Case, wanted: Sequence[Charge]) -> None:
    """What stands on a draft of one case stands on one of another: on that which waits, else on this."""
    waiting = next(iter(of_case(connection, case.id)), None)
    if waiting is None:
        put_on(connection, draft.id, wanted)
        _revise(connection, draft, case=str(case.id), patient=str(case.patient))
        return
    put_on(connection, waiting.id, wanted)
    words = waiting.said.model_copy(
        update={
            "outlays": (*waiting.said.outlays, *draft.said.outlays),
            "remarks": tuple(dict.fromkeys((*waiting.said.remarks, *draft.said.remarks))),
        }
    )
    named = (*waiting.outlays_of, *draft.outlays_of)
    _revise(connection, waiting, said=_kept(words, (*waiting.left_out, *draft.left_out), named))
    drop(connection, draft.id)


def drop(connection: Connection, draft: UUID) -> None:
    """Away with it; its charges are open as before."""
    connection.execute(delete(DRAFTED).where(DRAFTED.c.draft == str(draft)))
    connection.execute(delete(DRAFTS).where(DRAFTS.c.id == str(draft)))


def require_revision(draft: Draft, seen: int) -> None:
    """Raises Conflict when the draft is no longer what somebody saw."""
    if draft.revision != seen:
        raise said(
            Conflict,
            {
                "de": "Der Entwurf hat sich inzwischen geändert: bitte noch einmal ansehen.",
                "en": "the draft has changed meanwhile: please look at it again",
            },
            revision=draft.revision,
        )


def _revise(connection: Connection, draft: Draft, **values: Any) -> None:
    connection.execute(
        update(DRAFTS).where(DRAFTS.c.id == str(draft.id)).values(revision=draft.revision + 1, **values)
    )


def _kept(words: Said, left_out: Iterable[UUID], outlays_of: Iterable[UUID]) -> dict[str, Any]:
    own = {"left_out": left_out, "outlays_of": outlays_of}
    return words.model_dump(mode="json") | {name: sorted(str(id_) for id_ in own[name]) for name in OWN}


def _draft(row: Any) -> Draft:
    words = {name: value for name, value in row["said"].items() if name not in OWN}
    return Draft(
        UUID(row["id"]), row["site"], UUID(row["patient"]), UUID(row["case"]), row["why"],
        Said.model_validate(words), row["by"], row["at_us"], row["revision"],
        *(tuple(UUID(id_) for id_ in row["said"].get(name, ())) for name in OWN),
    )  # fmt: skip
