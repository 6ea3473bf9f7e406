"""Billing's figures for whoever watches it: counts and ages by site, which move with the work."""

from datetime import timedelta

from billing.test_invoices import cured, issued, turn
from kit.test_metrics import exposed

from services.billing import figures as billing
from services.kit.business.figures import figures


def now(rig):
    """What a scrape gives."""
    own = [lambda connection: billing.figures(connection, lambda: rig.now)]
    return exposed(figures(rig.engine, rig.office.tables, own))


def test_a_session_is_an_open_charge_then_a_draft_then_an_invoice(either_rig):
    """Money that nobody asks for is found here before the month's end."""
    rig = either_rig
    rig.clinic()
    patient = rig.patient()
    rig.session(patient, rig.cure(patient), at=rig.now - timedelta(days=40))
    told = now(rig)
    assert told["spondyl_billing_charges_undrafted", "north"] == 3
    assert told["spondyl_billing_oldest_unbilled_seconds", "north"] > 40 * 86_400
    assert ("spondyl_billing_drafts", "north") not in told
    cured(rig)
    told = now(rig)
    assert told["spondyl_billing_drafts", "north"] == 1
    assert told["spondyl_billing_oldest_draft_seconds", "north"] == 0
    rig.now += timedelta(hours=2)
    assert now(rig)["spondyl_billing_oldest_draft_seconds", "north"] == 7200
    turn(rig)
    issued(rig)
    told = now(rig)
    assert told["spondyl_billing_invoices", "north"] == 1
    assert ("spondyl_billing_drafts", "north") not in told
