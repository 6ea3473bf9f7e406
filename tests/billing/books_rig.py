"""Books to hand over: a site with invoices of which one is cancelled, and money that came in."""

from uuid import uuid4

from billing.billing_rig import BillingRig
from billing.test_invoices import cured, issued

PERIOD = {"site": "north", "from": "2026-11-01", "to": "2026-11-30"}
ACCOUNTS = {
    "consultant": 1234567, "client": 42, "chart": "03", "revenue": 8100, "debtors_from": 10000,
    "debtors_to": 10999, "bank": 1200, "cash": 1000, "card": 1360,
}  # fmt: skip
OFFICES = [{"id": "pvs", "name": "PVS Musterstadt", "customer": 666666, "number": 565454, "data_centre": 300}]
FORMULA = "=cmd|' /C calc'!A0"


def written(folder):
    """A site with three invoices, of which one is cancelled."""
    rig = BillingRig(folder)
    rig.clinic(accounts=ACCOUNTS, billing_offices=OFFICES)
    rig.invoices = {}
    for name, sessions, person in (
        ("anna", 2, {}), ("formula", 1, {"given_name": FORMULA}), ("cancelled", 1, {"sex": "male"}),
    ):  # fmt: skip
        rig.patients = cured(rig, sessions=sessions, **person)
        rig.invoices[name] = issued(rig)
    told = {"request": str(uuid4()), "reason": "falscher Tarif"}
    path = f"/invoices/{rig.invoices['cancelled']['id']}/cancel"
    rig.invoices["storno"] = rig.ask("POST", path, json=told, status=201)
    return rig


def pay(rig, name, amount, method):
    """Money that came in for an invoice."""
    told = {"request": str(uuid4()), "amount": amount, "received_on": "2026-11-23", "method": method}
    return rig.ask("POST", f"/invoices/{rig.invoices[name]['id']}/payments", json=told, status=201)
