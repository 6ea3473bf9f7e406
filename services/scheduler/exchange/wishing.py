"""What an Appointment that is sent asks for: to be moved, called off or missed; anything else is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import ValidationError

from services.kit.fhir import FhirInvalid, Resource
from services.kit.language import Text
from services.scheduler.booking.models import Changed, Moved

REASON: Final = "FHIR"  # of a move: FHIR's Appointment has no element for it
_OF_THE_SERVER: Final = ("versionId", "lastUpdated")  # of meta: FHIR has the server pass these over
_TIMES: Final = frozenset({"start", "end"})
_STATES: Final = frozenset({"status", "cancelationReason"})
_ENDS: Final[dict[str, Literal["cancel", "miss"]]] = {"cancelled": "cancel", "noshow": "miss"}
MOST_REASON: Final = 500
_BY_MOVE: Final[Text] = {
    "de": "Liege, Therapeut und Standort ändert POST /appointments/ID/move, das sagt, was geht; dass der "
    "Patient Bescheid weiß, POST /appointments/ID/confirm",
    "en": "bed, therapist and site are changed by POST /appointments/ID/move, which says what works; that "
    "the patient knows, by POST /appointments/ID/confirm",
}
_OF_CURE: Final[Text] = {
    "de": "folgt aus der Kur und ändert sich nur mit ihr (POST /cures)",
    "en": "follows from the cure and changes with it alone (POST /cures)",
}
_WHY: Final[Mapping[str, Text]] = {
    "participant": _BY_MOVE,
    **dict.fromkeys(("identifier", "serviceType", "description", "basedOn"), _OF_CURE),
}
_NOT_KEPT: Final[Text] = {
    "de": "wird hier nicht geführt: geändert werden start mit end, oder status mit cancelationReason",
    "en": "is not kept here: what may be changed is start with end, or status with cancelationReason",
}
_ONE_AT_A_TIME: Final[Text] = {
    "de": "ändert sich zusammen mit status: verschieben und absagen sind zwei Anfragen",
    "en": "is changed together with status: to move and to call off are two requests",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done."""

    what: Literal["nothing", "move", "cancel", "miss"]
    moved: Moved | None = None
    changed: Changed | None = None


def wish_of(sent: Resource, now: Resource, length: timedelta) -> Wish:
    """What the sent one changes of what it is now. Raises FhirInvalid that names every other element."""
    changed = {name for name in {*sent, *now} if not _same(name, sent.get(name), now.get(name))}
    others = sorted(changed - _TIMES - _STATES)
    if others:
        raise refused(*((name, _WHY.get(name, _NOT_KEPT)) for name in others))
    if changed & _TIMES and changed & _STATES:
        raise refused(*((name, _ONE_AT_A_TIME) for name in sorted(changed & _TIMES)))
    if changed & _TIMES:
        return _to_move(sent, now, length)
    if changed & _STATES:
        return _to_end(sent, now)
    return Wish("nothing")


def _same(name: str, sent: Any, now: Any) -> bool:
    if name == "meta" and isinstance(sent, Mapping):
        return not set(sent) - set(_OF_THE_SERVER)
    if name in _TIMES and sent and now:
        return _moment(name, sent) == _moment(name, now)
    return name == "meta" or bool(sent == now)


def _moment(name: str, text: Any) -> datetime:
    """A time with its zone. Raises FhirInvalid."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        shown = repr(str(text)[:40])
        raise refused(
            (name, {"de": f"ist {shown}: nötig ist ein Zeitpunkt mit Zeitzone",
                    "en": f"is {shown}: a time with its zone is needed"})
        )  # fmt: skip
    return at


def _to_move(sent: Resource, now: Resource, length: timedelta) -> Wish:
    for name in sorted(_TIMES - {name for name in _TIMES if sent.get(name)}):
        raise refused((name, {"de": "fehlt", "en": "is missing"}))
    start, end = _moment("start", sent["start"]), _moment("end", sent["end"])
    try:
        moved = Moved(starts_at=start, reason=REASON)
    except ValidationError as error:
        said = str(error.errors()[0]["msg"])
        raise refused(("start", {"de": said, "en": said})) from None
    if end - start != length or start == _moment("start", now["start"]):
        minutes = round(length.total_seconds() / 60)
        shown, right = end.isoformat(), (start + length).isoformat()
        raise refused(
            ("end", {"de": f"ist {shown}: ein Termin dauert an diesem Standort {minutes} min, bis {right}",
                     "en": f"is {shown}: an appointment takes {minutes} min at this site, until {right}"})
        )  # fmt: skip
    return Wish("move", moved=moved)


def _to_end(sent: Resource, now: Resource) -> Wish:
    status, was = str(sent.get("status")), str(now["status"])
    if status == was:
        words: Text = {
            "de": f"sagt, warum abgesagt oder versäumt wird: der Termin ist schon {was!r} oder bleibt es",
            "en": f"says why one is called off or missed: the appointment is {was!r} and stays so",
        }
        raise refused(("cancelationReason", words))
    if status not in _ENDS:
        words = {
            "de": f"ist {status!r}, war {was!r}: gesetzt werden nur cancelled und noshow; was abgesagt ist, "
            "wird neu geplant, und dass jemand behandelt wurde, sagt die Sitzung selbst",
            "en": f"is {status!r}, was {was!r}: only cancelled and noshow are set; what was called off is "
            "planned anew, and that somebody was treated is said by the session itself",
        }
        raise refused(("status", words))
    return Wish(_ENDS[status], changed=Changed(reason=_reason(sent.get("cancelationReason") or {})))


def _reason(concept: Mapping[str, Any]) -> str:
    """The words of a CodeableConcept with its codes: what is kept is one text. Raises FhirInvalid."""
    codings = concept.get("coding") or []
    coded = [" ".join(filter(None, (row.get("display"), _code(row)))) for row in codings]
    text = "; ".join(filter(None, [str(concept.get("text") or ""), *coded])).strip()
    others = sorted(set(concept) - {"text", "coding"})
    if others:
        raise refused(*((f"cancelationReason.{name}", _NOT_KEPT) for name in others))
    if len(text) > MOST_REASON or "\0" in text:
        words: Text = {
            "de": f"hat {len(text)} Zeichen: bis zu {MOST_REASON} werden geführt, und kein NUL",
            "en": f"has {len(text)} characters: up to {MOST_REASON} are kept, and no NUL",
        }
        raise refused(("cancelationReason", words))
    return text


def _code(row: Mapping[str, Any]) -> str:
    found = "|".join(filter(None, (row.get("system"), row.get("code"))))
    return f"({found})" if found else ""


def refused(*issues: tuple[str, Text]) -> FhirInvalid:
    """Each element with why it is not taken."""
    places = [(f"Appointment.{name}", words["en"]) for name, words in issues]
    german = "; ".join(f"Appointment.{name} {words['de']}" for name, words in issues)
    return FhirInvalid(places, {"de": german, "en": "; ".join(f"{name} {what}" for name, what in places)})
