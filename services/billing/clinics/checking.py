"""Whether an account, a bank and a clock are ones that exist; nothing of a clinic is taken half."""

from datetime import datetime
from zoneinfo import ZoneInfo

from services.billing.clinics import certificates
from services.billing.errors import Invalid, said
from services.billing.models import BillingOffice, Clinic
from services.kit.language import Text


def checked(clinic: Clinic, held: Clinic | None, at: datetime) -> Clinic:
    """The same with account, bank and certificates as they are written. Raises Invalid, naming the field.

    ``held`` is what the site said before: a certificate that has expired since keeps nobody from changing a
    telephone number.
    """
    _check_zone(clinic.zone)
    known = {one.certificate for one in held.billing_offices} if held else set()
    offices = tuple(_office(clinic, place, known, at) for place in range(len(clinic.billing_offices)))
    return clinic.model_copy(
        update={"iban": _iban(clinic.iban), "bic": _bic(clinic.bic), "billing_offices": offices}
    )


def _office(clinic: Clinic, place: int, known: set[str | None], at: datetime) -> BillingOffice:
    """One of them, of which no other has the id."""
    told = clinic.billing_offices[place]
    if any(one.id == told.id for one in clinic.billing_offices[:place]):
        raise said(
            Invalid,
            {
                "de": f"Kürzel {told.id!r}: steht zweimal; jede Abrechnungsstelle hat ihr eigenes.",
                "en": f"id {told.id!r}: stands twice; every billing office has its own",
            },
            field=f"billing_offices.{place}.id",
        )
    if not told.certificate or told.certificate in known:
        return told
    try:
        found = certificates.require_valid(told.certificate, at)
    except Invalid as error:
        error.more["field"] = f"billing_offices.{place}.certificate"
        raise
    return told.model_copy(update={"certificate": certificates.written(found)})


def _iban(typed: str | None) -> str | None:
    """Without blanks; its check digits agree (ISO 13616, ISO 7064)."""
    from schwifty import IBAN  # (loads the registry of banks)
    from schwifty.exceptions import SchwiftyException

    if not typed:
        return None
    try:
        return str(IBAN(typed))
    except SchwiftyException as error:
        raise _refused("iban", "IBAN", typed, f"{error} (ISO 13616)") from None


def _bic(typed: str | None) -> str | None:
    from schwifty import BIC
    from schwifty.exceptions import SchwiftyException

    if not typed:
        return None
    try:
        return str(BIC(typed))
    except SchwiftyException as error:
        raise _refused("bic", "BIC", typed, f"{error} (ISO 9362)") from None


def _check_zone(typed: str) -> None:
    try:
        ZoneInfo(typed)
    except (KeyError, ValueError, OSError):
        raise _refused("zone", "zone", typed, "no zone of the tz database") from None


def _refused(field: str, name: str, typed: str, why: str) -> Invalid:
    words: Text = {"de": f"{name} {typed[:40]!r}: {why}", "en": f"{name} {typed[:40]!r}: {why}"}
    return said(Invalid, words, field=field)
