"""Whether an account, a bank and a clock are ones that exist; nothing of a clinic is taken half."""

from zoneinfo import ZoneInfo

from services.billing.errors import Invalid, said
from services.billing.models import Clinic
from services.kit.language import Text


def checked(clinic: Clinic) -> Clinic:
    """The same with account and bank as they are written. Raises Invalid, naming the field."""
    _check_zone(clinic.zone)
    return clinic.model_copy(update={"iban": _iban(clinic.iban), "bic": _bic(clinic.bic)})


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
