"""A billing service with something of everything, for whoever tries every one of its doors."""

import json
from datetime import timedelta
from uuid import uuid4

from billing import bank
from billing.billing_rig import CLINIC, BillingRig

from services.billing.charges.completing import Completing
from services.billing.invoices.drafting import Drafting

UNKNOWN = "5e551011-0000-4000-8000-0000000000ff"
SPAN = "?site=north&from=2026-11-01&to=2026-12-31"
QUERIES = {
    "/charges": "?site=north",
    "/cases": "?site=north",
    "/goae/items": "?q=516",
    "/drafts": "?site=north",
    "/clear-ups": "?site=north",
    "/invoices": "?site=north",
    "/open-items": "?site=north",
    "/dunning": "?site=north",
    "/bank-statements": "?site=north",
    "/bank-entries": "?site=north",
    "/revenue": SPAN,
    "/estimates": "?site=north",
    "/agreements": "?site=north",
    "/exports/datev": SPAN,
    "/exports/csv": SPAN,
    "/exports": SPAN,
    "/disclosures": f"?site=north&patient={UNKNOWN}",
    "/exports/deliveries": "?site=north",
    "/exports/deliveries/{delivery}": "?site=north",
}


class Doors:
    """The rig, and what each of its routes is asked."""

    def __init__(self, directory):
        self.rig = rig = BillingRig(directory)
        rig.clinic(billing_offices=[{"id": "pvs", "name": "PVS", "customer": 1}])
        issued = self._issued()
        self.patient = str(self._cured())
        charge = self._by_hand()
        draft = rig.ask("GET", "/drafts", params={"site": "north"})["drafts"][0]
        rig.now += timedelta(days=40)
        told = {"site": "north", "invoices": [issued["id"]]}
        letter = rig.ask("POST", "/dunning", json=told)["letters"][0]
        files = {"file": ("auszug.xml", bank.statement(bank.entry("1.00", "x")), "application/xml")}
        rig.ask("POST", "/bank-statements", params={"site": "north"}, files=files)
        entry = rig.ask("GET", "/bank-entries", params={"site": "north"})["entries"][0]["id"]
        span = {"site": "north", "from": "2026-11-01", "to": "2026-12-31"}
        signed = {"request": str(uuid4()), "site": "north", "patient": issued["patient"], "office": "pvs"}
        disclosure = rig.ask("POST", "/disclosures", json=signed | {"on": "2026-11-23"})
        rig.ask("POST", "/exports/padnext", json=span | {"request": str(uuid4())})
        payment = {"request": str(uuid4()), "amount": "1.00", "received_on": "2026-11-23"}
        paid = rig.ask("POST", f"/invoices/{issued['id']}/payments", json=payment)
        estimate = {
            "request": str(uuid4()), "site": "north", "patient": self.patient, "region": "lumbar",
            "sessions": 6, "payer": "private",
        }  # fmt: skip
        paper = rig.ask("POST", "/estimates", json=estimate)
        self.records = {
            "site": "north", "charge": charge["id"], "case": charge["case"], "draft": draft["id"],
            "invoice": issued["id"], "payment": paid["id"], "letter": letter, "entry": entry,
            "delivery": "1", "paper": paper["id"], "disclosure": disclosure["id"],
        }  # fmt: skip
        self.unknown = dict.fromkeys(self.records, UNKNOWN) | {"site": "nowhere"}
        self.bodies = {path: ("application/json", json.dumps(body).encode()) for path, body in self._bodies()}
        self.bodies["/bank-statements"] = (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nno xml\r\n--x--\r\n',
        )

        for kind in ("estimates", "agreements"):
            self.bodies[f"/{kind}/{{paper}}/signed"] = (
                "multipart/form-data; boundary=x",
                b'--x\r\ncontent-disposition: form-data; name="request"\r\n\r\n'
                + str(uuid4()).encode()
                + b"\r\n--x--\r\n",
            )

    def _cured(self):
        patient = self.rig.patient(family_name="Xanthippe")
        cure = self.rig.cure(patient)
        self.rig.session(patient, cure)
        self.rig.clinic_event("cure.ended", cure=cure)
        Completing(self.rig.office, self.rig.people, lambda: self.rig.now).turn()
        Drafting(self.rig.office, lambda: self.rig.now).turn()
        return patient

    def _issued(self):
        self._cured()
        draft = self.rig.ask("GET", "/drafts", params={"site": "north"})["drafts"][0]
        body = {"request": str(uuid4()), "revision": draft["revision"]}
        return self.rig.ask("POST", f"/drafts/{draft['id']}/issue", json=body)

    def _by_hand(self):
        line = {"date": "2026-11-23", "number": "1", "factor": "2.3", "illness": "lumbar"}
        body = {"request": str(uuid4()), "site": "north", "patient": self.patient, "line": line}
        return self.rig.ask("POST", "/charges", json=body)

    def _bodies(self):
        request = str(uuid4())
        yield "/clinics/{site}", CLINIC
        yield "/tariffs/{site}/{name}", {"factors": {}}
        yield "/charges", {
            "request": request, "site": "north", "patient": self.patient,
            "line": {"date": "2026-11-23", "number": "5", "factor": "2.3", "illness": "lumbar"},
        }  # fmt: skip
        yield "/charges/{charge}/reverse", {"reason": "x"}
        yield "/cases/{case}", {"payer": "private"}
        yield "/drafts", {"request": request, "site": "north", "patient": self.patient}
        yield "/drafts/{draft}", {"revision": 1}
        yield "/drafts/{draft}/issue", {"request": request, "revision": 1}
        yield "/invoices/{invoice}/cancel", {"request": request, "reason": "x"}
        yield (
            "/invoices/{invoice}/payments",
            {"request": request, "amount": "1.00", "received_on": "2026-11-23"},
        )
        yield "/payments/{payment}/reverse", {"reason": "x"}
        yield "/letters/{letter}/waive", {"reason": "x"}
        yield "/estimates", {
            "request": request, "site": "north", "patient": self.patient, "region": "lumbar", "sessions": 6,
            "payer": "private",
        }  # fmt: skip
        yield "/exports/padnext", {
            "request": request, "site": "north", "from": "2026-11-01", "to": "2026-12-31",
        }  # fmt: skip
        yield "/disclosures", {
            "request": request, "site": "north", "patient": self.patient, "office": "pvs", "on": "2026-11-23",
        }  # fmt: skip
        yield "/disclosures/{disclosure}/withdraw", {"request": request, "on": "2026-11-23"}
        for kind in ("estimates", "agreements"):
            yield f"/{kind}/{{paper}}/withdraw", {"reason": "x"}
        yield "/dunning", {"site": "north", "invoices": [self.records["invoice"]]}
        yield "/bank-entries/{entry}/match", {"request": request, "invoice": self.records["invoice"]}
        yield "/bank-entries/{entry}/ignore", {"reason": "x"}
