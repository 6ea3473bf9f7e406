"""How a desk welcomes one made-up person: file, answers, consent, cure, estimate, invoice, home programme."""

import io
import math
import random
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import httpx

from services.kit.errors import SpondylError
from services.kit.therapy.prescription import check_document

FILE_FIELDS: Final = (
    "family_name", "given_name", "birth_date", "sex", "insurance", "body_weight_kg", "body_height_cm",
    "diagnosis", "region", "segment",
)  # fmt: skip
CLEARED_DAYS: Final = 120
CURE_WITHIN_S: Final = 120.0
HEARD_WITHIN_S: Final = 30.0
AT_HOME_DAYS: Final = 13  # so long ago the demo's home programmes began
PAYERS: Final = {
    "private": ("private", "private"),
    "beihilfe": ("beihilfe", "private"),
    "self-payer": ("self-payer", "self"),
}
Person = Mapping[str, Any]


@dataclass(slots=True)
class Clinic:
    """The services as the demo's own staff reaches them."""

    screening: httpx.Client
    scheduler: httpx.Client
    billing: httpx.Client
    homecare: httpx.Client
    homes: dict[str, str] = field(default_factory=dict)  # whose page at home has which address

    def ask(
        self, office: httpx.Client, method: str, path: str, body: Any = None, *,
        data: Any = None, files: Any = None, **query: Any,
    ) -> Any:  # fmt: skip
        """The answer's JSON. Raises SpondylError with the service's own words."""
        answer = office.request(method, path, json=body, params=query or None, data=data, files=files)
        if answer.is_error:
            raise SpondylError(f"{method} {path}: {answer.json().get('detail', answer.status_code)}")
        return answer.json() if answer.content else None


def name_of(person: Person) -> str:
    """As a list of people has them."""
    return f"{person['family_name']}, {person['given_name']}"


def welcome(clinic: Clinic, site: str, person: Person) -> None:
    """One person as far as their stage says."""
    patient = _file(clinic, site, person)
    for stage in STAGES[person["stage"]]:
        stage(clinic, site, patient, person)


def _file(clinic: Clinic, site: str, person: Person) -> str:
    content = {name: person[name] for name in FILE_FIELDS}
    content["birth_date"] = person["birth_date"].isoformat()
    content["email"] = f"{_ascii(person['given_name'])}.{_ascii(person['family_name'])}@example.org"
    content |= {"language": "de", "street": "Musterweg 1", "postal_code": "10115", "city": "Musterstadt"}
    found = clinic.ask(
        clinic.screening, "POST", "/patients", {"site": site, "content": content, "anyway": True}
    )
    return str(found["patient"])


def _answer(clinic: Clinic, _site: str, patient: str, person: Person) -> None:
    """Every question, or the first half of them where the sheet is only begun."""
    sheet = clinic.ask(clinic.screening, "GET", f"/patients/{patient}/questionnaire", region=person["region"])
    questions = sheet["questions"]
    if person["stage"] == "begun":
        questions = questions[: len(questions) // 2]
    for question in questions:
        value = _value(question["id"], person)
        clinic.ask(clinic.screening, "PUT", f"/patients/{patient}/answers/{question['id']}", {"value": value})


def _value(rule: str, person: Person) -> dict[str, Any]:
    if rule == person.get("answer"):
        return {"answer": "yes"}
    if rule == "severe-osteoporosis" and (percent := person.get("osteoporosis_percent")):
        return {"answer": "yes", "bone_loss_percent": percent, "fresh_fracture": False}
    return {"answer": "no"}


def _sign(clinic: Clinic, _site: str, patient: str, person: Person) -> None:
    """What is relative, signed by a clinician."""
    decision = clinic.ask(clinic.screening, "GET", f"/patients/{patient}/decision", region=person["region"])
    for rule in decision["unsigned"]:
        reason = "Befund gesehen, leichte Ausprägung; niedrigere Spitze und Kontrolle nach drei Sitzungen"
        body = {"region": person["region"], "reason": reason}
        clinic.ask(clinic.screening, "POST", f"/patients/{patient}/conditions/{rule}", body)


def _decide(clinic: Clinic, _site: str, patient: str, person: Person) -> None:
    clinic.ask(clinic.screening, "POST", f"/patients/{patient}/decisions", {"region": person["region"]})


def _consent(clinic: Clinic, _site: str, patient: str, person: Person) -> None:
    """Informed by a made-up doctor about every point, signed by a made-up hand, with a copy handed over."""
    consents = f"/patients/{patient}/consents"
    points = list(clinic.ask(clinic.screening, "GET", consents)["points"])
    begun = clinic.ask(
        clinic.screening, "POST", consents,
        {"region": person["region"], "informed_by": "Dr. Weber", "points": points},
    )  # fmt: skip
    name = f"{person['given_name']} {person['family_name']}"
    drawn = {"signer": name, "png": b64encode(_signature(name)).decode()}
    clinic.ask(clinic.screening, "POST", f"{consents}/{begun['id']}/signature", drawn)
    clinic.ask(clinic.screening, "POST", f"{consents}/{begun['id']}/copy", {"how": "paper"})


def _signature(name: str) -> bytes:
    """A wave that no two names share, as a hand would draw it: PNG."""
    from PIL import Image, ImageDraw

    dice = random.Random(name)  # noqa: S311  (a picture, nothing secret)
    picture = Image.new("RGBA", (480, 160), (0, 0, 0, 0))
    phase, height = dice.uniform(0, 6), dice.uniform(20, 45)
    wave = [
        (30 + step * 3, 80 + height * math.sin(step / 4.7 + phase) * math.cos(step / 11 + 2 * phase))
        for step in range(140)
    ]
    ImageDraw.Draw(picture).line(wave, fill=(20, 20, 60, 255), width=4, joint="curve")
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


def _clear(clinic: Clinic, _site: str, patient: str, person: Person) -> None:
    body = {"region": person["region"], "days": CLEARED_DAYS}
    clinic.ask(clinic.screening, "POST", f"/patients/{patient}/clearances", body)


def _plan(clinic: Clinic, site: str, patient: str, person: Person) -> None:
    """A cure from today on, with the first session's prescription."""
    body = {
        "patient": patient, "site": site, "region": person["region"], "segment": person["segment"],
        "sessions": person["sessions"], "cadence": "taper",
        "earliest": datetime.now(UTC).date().isoformat(), "prescription": first_prescription(person),
        "request": str(uuid5(NAMESPACE_URL, f"demo {patient}")),
    }  # fmt: skip
    cure = clinic.ask(clinic.scheduler, "POST", "/cures", body)
    ceiling_n = body["prescription"]["peak_n"] * 1.6
    limits = {"most_peak_n": round(ceiling_n), "most_step_n": 25.0}
    clinic.ask(clinic.scheduler, "PUT", f"/cures/{cure['cure']}/automatic", limits)


def _estimate(clinic: Clinic, site: str, patient: str, person: Person) -> None:
    """What it will cost, before anything is charged (§ 630c Abs. 3 BGB); some have signed for it."""
    if "estimate" not in person:
        return
    _wait_for_cure(clinic, site, patient)
    payer = {"self-payer": "self"}.get(person["insurance"], person["insurance"])
    body = {
        "request": _request(patient, "estimate"), "site": site, "patient": patient, "payer": payer,
        "region": person["region"], "sessions": person["sessions"],
    }  # fmt: skip
    made = clinic.ask(clinic.billing, "POST", "/estimates", body)
    if person["estimate"] == "signed":
        name = f"{person['given_name']} {person['family_name']}"
        told = {"request": _request(patient, "handing"), "how": "signed", "receiver": name}
        clinic.ask(
            clinic.billing, "POST", f"/estimates/{made['id']}/signed",
            data=told, files={"file": ("signed.png", _signature(name), "image/png")},
        )  # fmt: skip


def _wait_for_cure(clinic: Clinic, site: str, patient: str) -> None:
    """Until billing has heard of the cure: it makes papers for nobody else."""
    deadline = time.monotonic() + CURE_WITHIN_S
    while not clinic.ask(clinic.billing, "GET", "/cases", site=site, patient=patient)["cases"]:
        if time.monotonic() > deadline:
            raise SpondylError(f"billing heard of no cure of {patient} within {CURE_WITHIN_S:.0f} s")
        time.sleep(0.2)


def _consult(clinic: Clinic, site: str, patient: str, person: Person) -> None:
    """The first visit is charged; some have their invoice already, and some of them have paid."""
    for number in ("1", "7"):
        line = {"date": datetime.now(UTC).date().isoformat(), "number": number, "factor": "2.3"}
        body = {
            "request": _request(patient, number), "site": site, "patient": patient,
            "line": {**line, "illness": person["region"]},
        }  # fmt: skip
        charge = clinic.ask(clinic.billing, "POST", "/charges", body)
    payer, tariff = PAYERS[person["insurance"]]
    terms = {"payer": payer, "tariff": tariff, "diagnosis": person["diagnosis"]}
    clinic.ask(clinic.billing, "PUT", f"/cases/{charge['case']}", terms)
    if person.get("billed"):
        _bill(clinic, site, patient, is_paid=person["billed"] == "paid")


def _bill(clinic: Clinic, site: str, patient: str, *, is_paid: bool) -> None:
    made = {"request": _request(patient, "draft"), "site": site, "patient": patient}
    draft = clinic.ask(clinic.billing, "POST", "/drafts", made)
    told = {"request": _request(patient, "invoice"), "revision": draft["revision"]}
    invoice = clinic.ask(clinic.billing, "POST", f"/drafts/{draft['id']}/issue", told)
    if is_paid:
        paid = {"request": _request(patient, "payment"), "amount": invoice["total"]}
        body = {**paid, "received_on": invoice["issued_on"], "method": "card"}
        clinic.ask(clinic.billing, "POST", f"/invoices/{invoice['id']}/payments", body)


def at_home(clinic: Clinic, site: str, patient: str, person: Person) -> None:
    """A programme at home that began two weeks ago, its first sessions signed today, and its diary."""
    if "home" not in person:
        return
    filled = _filled(clinic, site, patient, person)
    if filled is None:  # rather a demo without it than none
        return
    body = {
        "request": _request(patient, "home"), "site": site, "patient": patient, "language": "de",
        "wanted": filled["wanted"],
    }  # fmt: skip
    made = clinic.ask(clinic.homecare, "POST", "/programmes", body)
    path, today = f"/programmes/{made['programme']['id']}", made["today"]["day"]
    for judged in made["decision"]["exercises"]:
        if judged["verdict"] == "home" and judged["supervised_sessions"]:
            request = _request(patient, f"signed {judged['exercise']}")
            signed = {"request": request, "exercise": judged["exercise"], "day": today, "went_well": True}
            made = clinic.ask(clinic.homecare, "POST", f"{path}/supervised", signed)
    link = clinic.ask(clinic.homecare, "POST", f"{path}/links", {"request": _request(patient, "link")})
    if link["address"] is None:
        return
    opened = [one["exercise"] for one in made["today"]["items"] if one["status"] == "open"]
    entries = _diary(patient, date.fromisoformat(today), opened, hurts=person["home"] == "pain")
    clinic.ask(clinic.homecare, "POST", f"{urlsplit(link['address']).path}/entries", {"entries": entries})
    clinic.homes[name_of(person)] = link["address"]


def _filled(clinic: Clinic, site: str, patient: str, person: Person) -> Any:
    """The template for them, once homecare has heard that screening cleared them; None: it has not."""
    body = {
        "region": person["region"], "stage": "remission", "hernia": "protrusion", "size": "slight",
        "body_weight_kg": person["body_weight_kg"],
        "starts_on": (datetime.now(UTC).date() - timedelta(days=AT_HOME_DAYS)).isoformat(),
    }  # fmt: skip
    asked, deadline = {"site": site, "patient": patient}, time.monotonic() + HEARD_WITHIN_S
    while time.monotonic() < deadline:
        answer = clinic.homecare.request("POST", "/fill", json=body, params=asked)
        if answer.is_success and answer.json()["decision"]["verdict"] == "home":
            return answer.json()
        time.sleep(0.2)
    return None


def _diary(patient: str, today: date, opened: list[str], *, hurts: bool) -> list[dict[str, Any]]:
    """Five days of each week, with less pain from one to the next; at the end it may hurt."""
    entries = []
    for number in range(AT_HOME_DAYS - 1):
        if number % 7 in (2, 5):
            continue
        day = today - timedelta(days=AT_HOME_DAYS - 1 - number)
        done = {"sets": 1, "repetitions": 8, "seconds": 90, "stopped": False}
        entries += [_entry(patient, day, "exercise", done, exercise) for exercise in opened]
        felt = {"seconds": 90 * len(opened), "pain_before": 4 - number // 4, "pain_after": 3 - number // 4}
        entries.append(_entry(patient, day, "session", felt))
    if hurts and opened:  # not above the limit: that would suspend the treatment at the clinic, too
        said = {"pain_nrs": 4, "during": True, "words": "Es zieht beim Halten"}
        entries.append(_entry(patient, today - timedelta(days=1), "pain", said, opened[0]))
    return entries


def _entry(
    patient: str, day: date, kind: str, data: dict[str, Any], exercise: str | None = None
) -> dict[str, Any]:
    return {
        "id": _request(patient, f"{day} {kind} {exercise}"), "kind": kind, "exercise": exercise,
        "day": day.isoformat(), "at": f"{day}T12:00:00+00:00", "version": 1, "data": data,
    }  # fmt: skip


def _request(patient: str, what: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"demo {patient} {what}"))


def first_prescription(person: Person) -> dict[str, Any]:
    """A first session's, with its peak at the person's share of what the dosing table permits."""
    born, today = person["birth_date"], datetime.now(UTC).date()
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    document: dict[str, Any] = {
        "region": person["region"], "segment": person["segment"], "body_weight_kg": person["body_weight_kg"],
        "age_years": age, "sex": person["sex"], "session_number": 1, "peak_n": 1000.0,
        "traction_min": 12.0, "precondition_s": 30.0,
    }  # fmt: skip
    against = [row for row in check_document(document) if row.field == "prescription.peak_n"]
    ceiling_n = min(row.limit for row in against if row.limit is not None)
    return {**document, "peak_n": float(int(ceiling_n * person["peak_share"]))}


STAGES: Final = {
    "planned": (_answer, _sign, _decide, _consent, _clear, _plan, _estimate, _consult, at_home),
    "refused": (_answer, _decide),
    "condition": (_answer,),
    "begun": (_answer,),
    "new": (),
}


def _ascii(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isascii() and letter.isalnum())
