"""Giving a clearance: only with a decision that clears, a consent in force and nothing suspended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.kit import clearance as kit
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.language import LANGUAGES, Language, Text
from services.screening import zones
from services.screening.clearance import ending, people, store
from services.screening.clearance.models import Given, Signed, Suspension
from services.screening.clearance.suspension import close, suspend, tell
from services.screening.clearance.words import REGION_WORDS, reasons
from services.screening.consent import store as consents
from services.screening.errors import Conflict, Invalid, NotFound, both
from services.screening.rules import store as decisions
from services.screening.rules.decision import Decision

ISSUER = "screening"
EARLIER = timedelta(minutes=1)  # a gateway's clock may be behind ours
MOST_REASON = 2000
MOST_NAMED = 4  # questions or conditions by name in one sentence


def missing(
    office: Office, connection: Connection, patient: UUID, region: str, *, at_any_age: bool = False
) -> list[Text]:
    """What a clearance still needs, in words; empty when it may be given.

    ``at_any_age``: as if everything had been asked today; what has only aged is asked again, not weighed.
    """
    ids = people.ids(connection, patient)
    found: list[Text] = []
    try:
        decision = decided(office, connection, patient, region, at_any_age=at_any_age)
    except Invalid as error:  # a file with which nothing can be decided
        found.append(error.words or {"de": error.message, "en": error.message})
    else:
        if not decision.may_be_treated:
            found.append(_lacking(decision))
    if consents.in_force(connection, patient, region, even_outgrown=at_any_age) is None:
        outgrown = consents.in_force(connection, patient, region, even_outgrown=True)
        found.append(_CONSENT if outgrown is None else _OWN)
    for open_one in store.open_suspensions(connection, ids):
        if open_one.concerns(region):
            row = reasons()[open_one.reason]
            found.append({"de": f"ausgesetzt: {row.de}", "en": f"suspended: {row.en}"})
    return found


def state(office: Office, connection: Connection, patient: UUID, region: str) -> dict[str, Any]:
    """How it stands in one region: ``cleared``, ``suspended`` or ``none``, and what a clearance lacks."""
    ids, now = people.ids(connection, patient), datetime.now(UTC)
    running = [
        given for given in store.clearances(connection, ids)
        if given.region == region and given.is_running(now)
    ]  # fmt: skip
    suspended = [one for one in store.open_suspensions(connection, ids) if one.concerns(region)]
    standing = [
        given for given in store.clearances(connection, ids)
        if given.region == region and given.is_signed(now)
    ]  # fmt: skip
    ages = ending.endings(office, connection, patient, region) if standing else []
    before = [one for one in ages if standing and one.on <= standing[0].signed_until.date()]
    return {
        "asked_again": [one.as_json() for one in before],
        "region": region,
        "state": "suspended" if suspended else "cleared" if running else "none",
        "clearance": running[0].as_json() if running else None,
        "conditions": _named(office, running[0]) if running else [],
        "suspensions": [one.as_json() for one in suspended],
        "missing": [dict(row) for row in missing(office, connection, patient, region)],
    }


def _named(office: Office, given: Given) -> list[dict[str, str]]:
    """The signed conditions in words, by the rules of the day on which they were signed."""
    ruleset = decisions.rules_of(given.at.date(), ending.disputed(office))
    known = [ruleset.of(rule) for rule in given.conditions if ruleset.knows(rule)]
    return [{"rule": rule.id, "text_de": rule.text_de, "text_en": rule.text_en} for rule in known]


def give(
    office: Office, connection: Connection, *, patient: UUID, region: str, days: int, by: Principal
) -> Given:
    """Sign a clearance from now on; an earlier one of the region ends. Raises NotFound, Invalid, Conflict."""
    longest = kit.LONGEST.days
    if not 1 <= days <= longest:
        raise Invalid(
            f"days is {days}: a clearance is valid for 1 to {longest} days",
            {
                "de": f"Gültigkeit ist {days} Tage: 1 bis {longest} Tage sind möglich",
                "en": f"days is {days}: a clearance is valid for 1 to {longest} days",
            },
        )
    _require(office, connection, patient, region, "given")
    signed_until = datetime.now(UTC) + timedelta(days=days)
    return _issue(office, connection, patient, region, signed_until, _Signer(by.account, by.name))


def restore(
    office: Office,
    connection: Connection,
    *,
    patient: UUID,
    suspensions: Sequence[UUID],
    reason: str,
    by: Principal,
) -> list[Given]:
    """Close suspensions for a signed reason; clearances that nothing suspends any more are issued anew.

    Raises NotFound, Invalid, Conflict: also where what a clearance needs is still missing.
    """
    words = signed_words(reason)
    ids = people.ids(connection, patient)
    known = {found.id: found for found in store.suspensions(connection, ids)}
    due = _reviews_due(connection, ids)
    chosen = [_restorable(known, one, due) for one in dict.fromkeys(suspensions)]
    if not chosen:
        raise Invalid(*both("no suspension is named", "keine Aussetzung ist genannt"))
    signed = Signed(by.account, by.name, words, datetime.now(UTC))
    for found in chosen:
        close(office, connection, found, signed)
    return reissue(office, connection, patient, chosen, by, is_needed=True)


def reissue(
    office: Office, connection: Connection, patient: UUID, closed: Sequence[Suspension], by: Principal,
    *, is_needed: bool,
) -> list[Given]:  # fmt: skip
    """New tokens until the old ones' end, where nothing is suspended any more.

    ``is_needed``: raise Conflict where something else is missing, instead of suspending for that.
    """
    ids, now = people.ids(connection, patient), datetime.now(UTC)
    made = []
    for region in REGION_WORDS:
        running = [
            given for given in store.clearances(connection, ids)
            if given.region == region and given.is_signed(now)
        ]  # fmt: skip
        is_closed = any(found.region in (None, region) for found in closed)
        is_open = any(found.concerns(region) for found in store.open_suspensions(connection, ids))
        if not running or not is_closed or is_open:
            continue
        if is_needed:
            _require(office, connection, patient, region, "restored")
        elif look_again(office, connection, patient, by, region=region):
            continue
        signer = _Signer(by.account, by.name)
        made.append(_issue(office, connection, patient, region, running[0].signed_until, signer))
    return made


def go_on(office: Office, connection: Connection, patient: UUID) -> list[Given]:
    """After something was asked again and is as it was: let what a clinician signed last as long as they
    signed it. What is suspended or lacks anything stays as it is.
    """
    ids, now = people.ids(connection, patient), datetime.now(UTC)
    made = []
    for given in store.clearances(connection, ids):
        if not given.is_signed(now) or missing(office, connection, patient, given.region):
            continue
        if ending.until(office, connection, patient, given.region, given.signed_until) > given.valid_until:
            signer = _Signer(given.account, given.by)
            made.append(_issue(office, connection, patient, given.region, given.signed_until, signer))
    return made


def look_again(
    office: Office, connection: Connection, patient: UUID, by: Principal, *, region: str | None = None
) -> bool:  # fmt: skip
    """Suspend what was cleared and would not be now: a file or a rule changed. Whether anything was.

    What is suspended already stays as it is: its restoration asks for everything anyhow.
    """
    ids, found = people.ids(connection, patient), None
    for one in REGION_WORDS if region is None else (region,):
        lacks = missing(office, connection, patient, one, at_any_age=True)
        if not lacks or any(held.concerns(one) for held in store.open_suspensions(connection, ids)):
            continue
        said = "; ".join(row["en"] for row in lacks)
        made = suspend(office, connection, patient=patient, region=one, reason="file", by=by, detail=said)
        found = made or found
    return found is not None


def signed_words(reason: str) -> str:
    """The reason that somebody signs with. Raises Invalid."""
    words = reason.strip()
    if not words or "\0" in words:
        raise Invalid(
            *both("a signature needs a reason in words", "eine Unterschrift braucht eine Begründung")
        )
    if len(words) > MOST_REASON:
        raise Invalid(
            *both(
                f"the reason has {len(words)} characters: at most {MOST_REASON}",
                f"die Begründung hat {len(words)} Zeichen: höchstens {MOST_REASON}",
            )
        )
    return words


def _require(office: Office, connection: Connection, patient: UUID, region: str, verb: str) -> None:
    lacks = missing(office, connection, patient, region)
    if not lacks:
        return
    listed: dict[Language, str] = {
        language: "; ".join(row[language] for row in lacks) for language in LANGUAGES
    }
    place = REGION_WORDS[region]
    german = {"given": "nicht erteilt", "restored": "nicht wiederhergestellt"}[verb]
    raise Conflict(
        *both(
            f"the clearance for the {place['en']} is not {verb}: {listed['en']}",
            f"die Freigabe für die {place['de']} wird {german}: {listed['de']}",
        )
    )


def _reviews_due(connection: Connection, ids: list[UUID]) -> set[str]:
    """What suspensions by a review are about, as far as that can be signed: files were perhaps parted."""
    from services.screening.clearance.gates import progress  # (which issues clearances anew with this)

    return {one.subject(gate.after) for one in progress(connection, ids) for gate in one.due()}


def _restorable(known: dict[UUID, Suspension], one: UUID, due: set[str]) -> Suspension:
    found = known.get(one)
    if found is None:
        raise NotFound(
            *both(f"no suspension {one} of this patient", f"keine Aussetzung {one} dieses Patienten")
        )
    if found.restored is not None:
        raise Conflict(
            *both(
                f"{found.restored.name} has restored this suspension already",
                f"{found.restored.name} hat diese Aussetzung schon aufgehoben",
            )
        )
    if reasons()[found.reason].restored_by == "gate" and found.subject in due:
        raise Conflict(
            *both(
                "this suspension ends with the signature of its review",
                "diese Aussetzung endet mit der Unterschrift ihrer Zwischenprüfung",
            )
        )
    return found


def decided(
    office: Office, connection: Connection, patient: UUID, region: str, *, at_any_age: bool = False
) -> Decision:
    """What holds today, under this service's settings."""
    disputed = ending.disputed(office)
    today = zones.today(connection, people.require(connection, patient).site)
    return decisions.decision_of(connection, patient, region, today, disputed, at_any_age=at_any_age)


def _lacking(decision: Decision) -> Text:
    """Why this decision clears nobody, with the conditions or the questions by name."""
    said = _DECISIONS.get(decision.outcome, _UNSIGNED)
    wanted = {"conditions": decision.unsigned, "incomplete": decision.unanswered}.get(decision.outcome, [])
    named = [row for row in decision.rules if row["id"] in wanted][:MOST_NAMED]
    more = " …" if len(wanted) > len(named) else ""
    if not named:
        return said
    return {
        "de": f"{said['de']}: {'; '.join(row['text_de'] for row in named)}{more}",
        "en": f"{said['en']}: {'; '.join(row['text_en'] for row in named)}{more}",
    }


def _issue(
    office: Office, connection: Connection, patient: UUID, region: str, signed_until: datetime, by: "_Signer"
) -> Given:
    """A token until what was signed, or until the first thing that it stands on has aged."""
    now = datetime.now(UTC)
    valid_for = ending.until(office, connection, patient, region, signed_until) - now
    file = people.require(connection, patient)
    decision = decided(office, connection, patient, region)
    conditions = tuple(decision.conditions) if decision.outcome == "conditions" else ()
    token, said = kit.issue(
        kit.ensure_keys(office.settings.data).private, file.patient, region,
        valid_for=min(valid_for + EARLIER, kit.LONGEST), valid_from=now - EARLIER,
        issuer=ISSUER, conditions=conditions,
    )  # fmt: skip
    made = Given(
        said.id, file.site, file.patient, region, token, conditions, said.valid_from, said.valid_until,
        max(signed_until, said.valid_until), by.account, by.name, now, None, None,
    )  # fmt: skip
    ids = people.ids(connection, patient)
    for earlier in store.clearances(connection, ids):
        if earlier.region == region and earlier.ended_at is None:
            store.end_clearance(connection, earlier, now, made.id)
            ended = {
                "clearance": str(earlier.id), "patient": str(earlier.patient), "region": region,
            }  # fmt: skip
            tell(office, connection, file.site, "clearance.ended", ended, now)
    store.add_clearance(connection, made)
    data = {name: value for name, value in made.as_json().items() if name in _TOLD}
    tell(office, connection, file.site, "clearance.given", data, now)
    return made


@dataclass(frozen=True, slots=True)
class _Signer:
    """In whose name a clearance stands."""

    account: str
    name: str


_TOLD = ("clearance", "patient", "region", "token", "valid_from", "valid_until", "conditions")
_OWN: Text = {
    "de": "es fehlt die eigene Einwilligung: die der Sorgeberechtigten galt bis zum 18. Geburtstag "
    "(§ 630d BGB)",
    "en": "their own consent is missing: that of the guardians held until the 18th birthday (§ 630d BGB)",
}
_CONSENT: Text = {
    "de": "es fehlt eine Einwilligung, die in Kraft ist (§ 630d BGB)",
    "en": "a consent in force is missing (§ 630d BGB)",
}
_DECISIONS: dict[str, Text] = {
    "refused": {
        "de": "die Entscheidung lehnt die Behandlung ab",
        "en": "the decision refuses treatment",
    },
    "incomplete": {
        "de": "es fehlt eine Entscheidung, Fragen sind offen",
        "en": "a decision is missing, questions are open",
    },
}
_UNSIGNED: Text = {
    "de": "eine Bedingung ist nicht unterschrieben",
    "en": "a condition is not signed",
}
