"""What a ward has billed at `north`: invoices of every age, payments, a reminder, a bank's file, a draft."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from billing import bank
from billing.billing_rig import ANNA, BillingRig

SITE = {"site": "north"}
AGES = (140, 105, 76, 44, 9)  # days since each invoice; it is payable within 30
BOOKS = {
    "consultant": 1001, "client": 1, "chart": "03", "revenue": 8100, "debtors_from": 10000,
    "debtors_to": 10999, "bank": 1200, "cash": 1000,
}  # fmt: skip
OFFICE = {"id": "pvs", "name": "PVS Musterstadt", "customer": 4711, "number": 12}
STREETS = ("Lindenallee 4", "Kirchweg 12", "Am Markt 1", "Rosenstraße 88", "Bergweg 3")


def bill(directory, people):
    """One invoice each of these (id, family name, given name), and what came of them; ids for addresses."""
    rig = BillingRig(directory)
    now = datetime.now(UTC)
    rig.now = now - timedelta(days=AGES[0])
    rig.clinic(payment_days=30, accounts=BOOKS, billing_offices=[OFFICE])
    made = []
    for (patient, family, given), days, street in zip(people, AGES, STREETS, strict=True):
        rig.now = now - timedelta(days=days)
        names = {"family_name": family, "given_name": given, "street": street}
        rig.screening.files[patient] = {**ANNA, **names}
        made.append(_invoice(rig, UUID(patient)))
    rig.now = now
    _paid(rig, made, now)
    _delivered(rig, [people[at][0] for at in (0, 2, 3)], now)
    first = UUID(people[0][0])
    rig.session(first)
    draft = rig.ask("POST", "/drafts", json={"request": str(uuid4()), **SITE, "patient": str(first)})
    estimate = _estimated(rig, first)
    rig.cure(UUID(people[1][0]))
    rig.close()
    return {
        "invoice": made[0]["id"], "draft": draft["id"], "papers": "estimates", "paper": estimate["id"],
    }  # fmt: skip


def _estimated(rig, patient):
    """What a cure will cost, handed over by e-mail."""
    body = {"region": "lumbar", "sessions": 18, "payer": "private", "first_visit": "none"}
    asked = {"request": str(uuid4()), **SITE, "patient": str(patient), **body}
    made = rig.ask("POST", "/estimates", json=asked)
    handed = {"request": str(uuid4()), "how": "email", "note": "anna@example.org"}
    rig.ask("POST", f"/estimates/{made['id']}/signed", data=handed)
    return made


def _invoice(rig, patient):
    """Of one treatment."""
    rig.clinic_event("patient.registered", "north", patient=patient)
    rig.session(patient)
    case = rig.ask("GET", "/cases", params={**SITE, "patient": str(patient)})["cases"][0]
    rig.ask("PUT", f"/cases/{case['id']}", json={"payer": "private", "diagnosis": ANNA["diagnosis"]})
    draft = rig.ask("POST", "/drafts", json={"request": str(uuid4()), **SITE, "patient": str(patient)})
    asked = {"request": str(uuid4()), "revision": draft["revision"]}
    return rig.ask("POST", f"/drafts/{draft['id']}/issue", json=asked)


def _delivered(rig, patients, now):
    """To a billing office, of who lets it have their data; one more of them is not delivered yet."""
    on = (now - timedelta(days=1)).date()
    for number, patient in enumerate(patients):
        told = {**SITE, "patient": patient, "office": "pvs", "on": on.isoformat()}
        rig.ask("POST", "/disclosures", json=told | {"request": str(uuid4()), "note": "Ordner 3"})
        if number == 1:
            since = (now - timedelta(days=AGES[0] + 1)).date().isoformat()
            body = {**SITE, "from": since, "to": on.isoformat(), "request": str(uuid4())}
            rig.ask("POST", "/exports/padnext", json=body)


def _paid(rig, made, now):
    """A part in cash, a reminder, and a bank's file: one entry is sure, two are for a person."""
    oldest, second, third, _, newest = made
    paid = {"amount": "20.68", "received_on": (now - timedelta(days=90)).date().isoformat(), "method": "cash"}
    rig.ask("POST", f"/invoices/{oldest['id']}/payments", json={"request": str(uuid4()), **paid})
    rig.ask("POST", "/dunning", json={"request": str(uuid4()), **SITE, "invoices": [second["id"]]})
    on = (now - timedelta(days=2)).date().isoformat()
    entries = (
        bank.entry("70.68", f"Rechnung {newest['number']}", name=newest["recipient"], on=on, reference="A1"),
        bank.entry("70.68", "Behandlung, vielen Dank", name=third["recipient"], on=on, reference="A2"),
        bank.entry("12.40", "Habenzinsen", name="Bank", on=on, reference="A3"),
    )
    files = {"file": ("auszug.xml", bank.statement(*entries), "application/xml")}
    rig.ask("POST", "/bank-statements", params=SITE, files=files)
