"""Who sends, treats, was treated and pays, as PADneXt has them."""

from typing import Final

from services.billing.exchange import names
from services.billing.exchange.padnext.elements import ORGANISATION, Node, add, maybe
from services.billing.models import Address, BillingOffice, Clinic, Paper

DOCTOR: Final = "1"  # the id of the only one who treats
SEXES: Final = {"female": "w", "male": "m", "diverse": "u", "unknown": "u"}
ELSEWHERE: Final = "unb"
COUNTRIES: Final = {  # ISO 3166 to the sign on cars, which the format uses
    "DE": "D", "AT": "A", "CH": "CH", "LI": "FL", "FR": "F", "IT": "I", "ES": "E", "PT": "P", "GB": "GB",
    "IE": "IRL", "NL": "NL", "BE": "B", "LU": "L", "DK": "DK", "SE": "S", "NO": "N", "FI": "FIN", "IS": "IS",
    "PL": "PL", "CZ": "CZ", "SK": "SK", "HU": "H", "SI": "SLO", "RO": "ROU", "BG": "BG", "GR": "GR",
    "TR": "TR", "UA": "UA", "RU": "RUS", "US": "USA", "CA": "CDN", "IL": "IL", "JP": "J", "EE": "EST",
    "LV": "LV", "LT": "LT", "MC": "MC", "AE": "UAE",
}  # fmt: skip


def sender(parent: Node, clinic: Clinic, office: BillingOffice) -> None:
    """The clinic, as the office knows it."""
    made = add(parent, "rechnungsersteller")
    add(made, "name", clinic.name)
    add(made, "kundennr", office.customer)
    address(made, _required(clinic))
    maybe(made, "iknr", names.institution(clinic))
    if clinic.phone:
        add(made, "kontakt", clinic.phone, art="telefonnr", typ="beruflich")
    maybe(made, "ustidnr", clinic.vat_id)


def doctor(parent: Node, clinic: Clinic, office: BillingOffice) -> None:
    """Who answers for the treatment."""
    told = names.of_text(clinic.doctor or clinic.name)
    made = add(parent, "leistungserbringer", id=DOCTOR, aisid=DOCTOR)
    maybe(made, "titel", told.title)
    add(made, "vorname", told.given or "-")
    add(made, "name", told.family)
    address(made, _required(clinic))
    add(made, "kundennr", office.customer)
    if (place := names.place(clinic)) is not None:
        add(add(made, "betriebsstaette"), "bsnr", f"{place:09d}")
    maybe(made, "ustidnr", clinic.vat_id)
    maybe(made, "iknr", names.institution(clinic))


def payer(parent: Node, paper: Paper) -> None:
    """A person with given and family name; anybody else is an organisation."""
    made = add(parent, "rechnungsempfaenger")
    recipient = paper.recipient
    is_patient = paper.patient_pays
    told = names.of_patient(paper.patient) if is_patient else names.of_text(recipient.name)
    if not told.given:
        organisation = add(made, "organisation")
        add(organisation, "name", recipient.name, most=ORGANISATION)
        address(organisation, recipient.address)
        return
    person = add(made, "person")
    add(person, "anrede", "Ohne Anrede")
    maybe(person, "titel", told.title)
    add(person, "vorname", told.given)
    add(person, "name", told.family)
    if is_patient:
        add(person, "gebdatum", paper.patient.birth_date)
    address(person, recipient.address)


def patient(parent: Node, paper: Paper) -> None:
    """Who was treated."""
    told = names.of_patient(paper.patient)
    made = add(parent, "behandelter", aisid=str(paper.patient.id))
    maybe(made, "titel", told.title)
    add(made, "vorname", told.given or "-")
    add(made, "name", told.family)
    add(made, "gebdatum", paper.patient.birth_date)
    add(made, "geschlecht", SEXES[paper.patient.sex])


def address(parent: Node, where: Address) -> None:
    """Street, number, place; abroad in one line."""
    made = add(parent, "anschrift")
    if where.country != "DE":
        abroad = add(made, "auslandsadresse")
        add(abroad, "land", COUNTRIES.get(where.country, ELSEWHERE))
        add(abroad, "plz", where.postal_code)
        add(abroad, "ort", where.city)
        add(abroad, "strasse", where.street)
        return
    street, number = names.street(where.street)
    home = add(made, "hausadresse")
    add(home, "land", "D")
    add(home, "plz", where.postal_code)
    add(home, "ort", where.city)
    add(home, "strasse", street)
    maybe(home, "hausnr", number)


def _required(clinic: Clinic) -> Address:
    """No invoice goes out without it (papers.issuing)."""
    if clinic.address is None:
        raise ValueError("an issued invoice without the clinic's address")
    return clinic.address
