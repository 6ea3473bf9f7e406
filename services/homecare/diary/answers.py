"""A clinician's answer to a report of pain: once, and nothing else opens what the report has locked."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Connection

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.homecare.diary import store
from services.homecare.errors import Conflict, NotFound, said
from services.homecare.models import Programme, plain
from services.homecare.programmes import store as programmes
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import unknown
from services.kit.language import Text
from services.kit.moments import instant_of

Row = dict[str, Any]
MOST_WORDS: Final = 1000
REPORT: Final[Text] = {"de": "Schmerzmeldung", "en": "report of pain"}
DECISIONS: Final[dict[str, Text]] = {
    "go_on": {"de": "geht weiter wie bisher", "en": "goes on as before"},
    "lower": {"de": "geht eine Stufe leichter weiter", "en": "goes on one level lower"},
    "stays_off": {"de": "bleibt gesperrt", "en": "stays off"},
}


Words = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=MOST_WORDS), AfterValidator(plain)
]  # fmt: skip


class Answer(BaseModel):
    """What is to become of the exercise, and the words that the patient reads."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    decision: Literal["go_on", "lower", "stays_off"]
    words: Words = ""


def of(connection: Connection, entry: UUID) -> tuple[Row, Programme]:
    """A report with its programme. Raises NotFound."""
    row = store.pain(connection, entry)
    if row is None:
        raise missing(entry)
    return row, programmes.programme(connection, row["programme"])


def missing(entry: UUID) -> NotFound:
    """There is none, or none that this caller may see."""
    return unknown(REPORT, entry)


def give(
    office: Office, connection: Connection, entry: UUID, answer: Answer, who: Principal, at_us: int
) -> Programme:
    """Answer a report; the same request again is the same answer. Raises Conflict when it has another."""
    report, programme = of(connection, entry)
    programme = programmes.held(connection, programme.id)
    known = store.answer(connection, entry)
    if known is not None:
        if known["request"] != str(answer.request):
            raise _answered(known)
        return programme
    if store.answer_by_request(connection, answer.request) is not None:
        raise said(
            Conflict,
            {"de": f"Die Anfrage {answer.request} hat schon eine andere Meldung beantwortet.",
             "en": f"the request {answer.request} answered another report already"},
        )  # fmt: skip
    row = {
        "pain": report["entry"], "request": str(answer.request), "programme": str(programme.id),
        "decision": answer.decision, "words": answer.words, "account": who.account, "name": who.name[:80],
        "at_us": at_us,
    }  # fmt: skip
    store.add_answer(connection, row)
    event = ClinicEvent(
        id=uuid4(), type="pain.answered", time=instant_of(at_us),
        data={"programme": str(programme.id), "patient": str(programme.patient), "report": report["entry"],
              "decision": answer.decision},
    )  # fmt: skip
    office.outbox.add(connection, STREAMS["programme"], programme.site, event)
    return programme


def _answered(known: Row) -> Conflict:
    at, decided = instant_of(known["at_us"]), DECISIONS[known["decision"]]
    return said(
        Conflict,
        {"de": f"{known['name']} hat diese Meldung schon beantwortet ({at:%Y-%m-%d %H:%M} UTC): "
               f"{decided['de']}. Eine Antwort gilt und wird nicht geändert.",
         "en": f"{known['name']} has answered this report already ({at:%Y-%m-%d %H:%M} UTC): "
               f"{decided['en']}; one answer counts and is not changed"},
        by=known["name"], at=at, decision=known["decision"],
    )  # fmt: skip
