"""Who is treated and who pays, asked of screening when a paper is made: billing keeps no names of its own.

What a paper once said stays in the paper.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from services.billing.errors import Conflict, said
from services.billing.models import Address, Language, Patient, Recipient
from services.billing.settings import BillingSettings
from services.kit.business.identity import Unreachable, identity

Sex = Literal["female", "male", "diverse", "unknown"]
SEXES: Final[dict[str, Sex]] = {"female": "female", "male": "male", "diverse": "diverse"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as screening knows them. ``address``: None while one of its fields is missing."""

    id: UUID
    name: str
    birth_date: date
    address: Address | None
    email: str | None
    language: Language
    insurance: str
    insurer: str | None
    insurance_number: str | None
    diagnosis: str | None
    given_name: str | None = None
    family_name: str | None = None
    sex: Sex = "unknown"

    @property
    def patient(self) -> Patient:
        """As a paper names them."""
        return Patient(
            id=self.id, name=self.name, birth_date=self.birth_date, given_name=self.given_name,
            family_name=self.family_name, sex=self.sex, insurance_number=self.insurance_number,
        )  # fmt: skip

    @property
    def recipient(self) -> Recipient | None:
        """As whoever pays; None without an address."""
        if self.address is None:
            return None
        return Recipient(name=self.name, address=self.address, email=self.email, is_patient=True)


class People:
    """Asks screening."""

    def __init__(self, settings: BillingSettings) -> None:
        self._url, self._token = settings.screening_url, settings.identity_token

    def of(self, patient: UUID) -> Person | None:
        """Somebody by id; None for one without a file. Raises Unreachable."""
        if not self._url:
            raise Unreachable("SPONDYL_SCREENING_URL is not set")
        row = identity(self._url, self._token, patient)
        return None if row is None else _person(patient, row)

    def required(self, patient: UUID) -> Person:
        """The same. Raises Conflict for nobody, and while screening does not answer."""
        try:
            person = self.of(patient)
        except Unreachable as error:
            raise said(
                Conflict,
                {
                    "de": f"Die Patientenakten antworten nicht ({error}): kein Schriftstück ohne Namen.",
                    "en": f"the patients' files do not answer ({error}): no paper without a name",
                },
            ) from None
        if person is None:
            raise said(
                Conflict,
                {
                    "de": f"Zum Patienten {patient} gibt es keine Akte.",
                    "en": f"there is no file of patient {patient}",
                },
            )
        return person


def _person(patient: UUID, row: dict[str, Any]) -> Person:
    try:
        return Person(
            id=patient,
            name=" ".join(filter(None, (row.get("given_name"), row["family_name"]))),
            birth_date=date.fromisoformat(row["birth_date"]),
            address=_address(row),
            email=row.get("email") or None,
            language="en" if row.get("language") == "en" else "de",
            insurance=row.get("insurance") or "",
            insurer=row.get("insurer") or None,
            insurance_number=row.get("insurance_number") or None,
            diagnosis=row.get("diagnosis") or None,
            given_name=row.get("given_name") or None,
            family_name=row.get("family_name") or None,
            sex=SEXES.get(row.get("sex") or "", "unknown"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable(f"the answer lacks {type(error).__name__}") from None


def _address(row: dict[str, Any]) -> Address | None:
    street, postal_code, city = (row.get(name) for name in ("street", "postal_code", "city"))
    if not (street and postal_code and city):
        return None
    return Address(street=street, postal_code=postal_code, city=city, country=row.get("country") or "DE")
