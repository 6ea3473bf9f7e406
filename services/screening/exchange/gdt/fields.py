"""The fields and records of GDT 2.1 and 3.x that screening knows: a row each.

From the interface descriptions of the Qualitätsring Medizinische Software; what is not here is read, too, and
shown as unknown.
"""

from dataclasses import dataclass
from typing import Final, Literal

from services.kit.language import Text

Unsuited = Literal["refuse", "replace"]  # of what a character set does not have


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, its most characters as the strict writer keeps it, what to do with odd letters."""

    name: str
    said: Text
    most: int = 60
    unsuited: Unsuited = "replace"


def _row(name: str, german: str, english: str, most: int = 60, unsuited: Unsuited = "replace") -> Field:
    return Field(name, {"de": german, "en": english}, most, unsuited)


ATTRIBUTES: Final = (  # 3.5: what the object is that begins on the next line
    "8110", "8112", "8133", "8142", "8145", "8147", "8157", "8167", "8169", "8218", "8219", "8225",
)  # fmt: skip
FIELDS: Final[dict[str, Field]] = {
    "0102": _row("software_maker", "Softwareverantwortlicher", "maker of the software"),
    "0103": _row("software", "Software", "software"),
    "0132": _row("software_release", "Release-Stand der Software", "release of the software"),
    "3000": _row("patient_number", "Patientennummer", "patient's number", 10, "refuse"),
    "3100": _row("name_prefix", "Namenszusatz, Vorsatzwort", "prefix of the name", 15),
    "3101": _row("family_name", "Name des Patienten", "family name", 28),
    "3102": _row("given_name", "Vorname des Patienten", "given name", 28),
    "3103": _row("birth_date", "Geburtsdatum", "birth date", 8, "refuse"),
    "3104": _row("title", "Titel des Patienten", "title", 15),
    "3105": _row("insurance_number", "Versichertennummer", "insurance number", 12, "refuse"),
    "3106": _row("city_line", "Wohnort (PLZ und Ort)", "postal code and city", 30),
    "3107": _row("street", "Straße", "street", 28),
    "3108": _row("insured_kind", "Versichertenart", "kind of insured person", 1, "refuse"),
    "3110": _row("sex", "Geschlecht", "sex", 1, "refuse"),
    "3112": _row("postal_code", "PLZ", "postal code", 10),
    "3113": _row("city", "Ort", "city", 40),
    "3114": _row("country", "Wohnsitzländercode", "country code", 3, "refuse"),
    "3119": _row("insured_id", "Versicherten-ID (eGK)", "id on the health card", 10, "refuse"),
    "3564": _row("health_card_number", "lebenslange Versichertennummer", "lifelong insurance number"),
    "3610": _row("admitted", "Datum Patientenstamm", "date of the master record", 8, "refuse"),
    "3618": _row("mobile_phone", "Mobiltelefonnummer", "mobile phone"),
    "3619": _row("email", "E-Mail-Adresse", "e-mail address"),
    "3622": _row("height_cm", "Größe des Patienten (cm)", "body height (cm)", 10, "refuse"),
    "3623": _row("weight_kg", "Gewicht des Patienten (kg)", "body weight (kg)", 10, "refuse"),
    "3626": _row("phone", "Telefonnummer", "phone"),
    "3628": _row("language", "Muttersprache des Patienten", "mother tongue"),
    "6200": _row("treated_on", "Tag der Speicherung von Behandlungsdaten", "day of treatment", 8, "refuse"),
    "6201": _row("treated_at", "Uhrzeit der Erhebung", "time of treatment", 6, "refuse"),
    "6205": _row("diagnosis", "aktuelle Diagnose", "current diagnosis"),
    "6220": _row("finding", "Befund", "finding"),
    "6221": _row("foreign_finding", "Fremdbefund", "finding of others"),
    "6227": _row("comment", "Kommentar", "comment"),
    "6228": _row("table_line", "Ergebnistabellentext, formatiert", "formatted line"),
    "6302": _row("archive_id", "Dateiarchivierungskennung", "id of an attached file", 60, "refuse"),
    "6303": _row("attachment_format", "Dateiformat", "format of an attached file", 60, "refuse"),
    "6304": _row("attachment_content", "Dateiinhalt", "what an attached file is"),
    "6305": _row("attachment_address", "Verweis auf Datei", "address of an attached file", 600, "refuse"),
    "8000": _row("record", "Satzidentifikation", "record", 4, "refuse"),
    "8001": _row("record_end", "Satzende", "the record ends", 4, "refuse"),
    "8002": _row("object_begin", "Beginn eines Objekts", "an object begins", 60, "refuse"),
    "8003": _row("object_end", "Ende eines Objekts", "an object ends", 60, "refuse"),
    "8100": _row("record_bytes", "Satzlänge", "bytes of the record", 7, "refuse"),
    "8200": _row("object", "Beginn eines Objekts", "an object begins", 60, "refuse"),
    "8201": _row(
        "object_lines", "Ende eines Objekts, Zahl seiner Zeilen", "an object ends, its lines", 5, "refuse"
    ),
    "8202": _row("record_lines", "Satzende, Zahl der Zeilen", "the record ends, its lines", 5, "refuse"),
    "8315": _row("receiver", "GDT-ID des Empfängers", "receiver", 8, "refuse"),
    "8316": _row("sender", "GDT-ID des Senders", "sender", 8, "refuse"),
    "8402": _row("procedure", "geräte- und verfahrensspezifisches Kennfeld", "procedure", 6, "refuse"),
    "8410": _row("test", "Test-Ident", "test", 20, "refuse"),
    "8411": _row("test_name", "Testbezeichnung", "name of the test"),
    "8413": _row("request", "Anforderungs-Ident", "id of the request", 60, "refuse"),
    "8418": _row("test_state", "Teststatus", "state of the test", 1, "refuse"),
    "8420": _row("value", "Ergebnis-Wert", "value", 60, "refuse"),
    "8421": _row("unit", "Einheit", "unit", 20),
    "8432": _row("taken_on", "Abnahme-Datum", "day of the measurement", 8, "refuse"),
    "8439": _row("taken_at", "Abnahme-Zeit", "time of the measurement", 6, "refuse"),
    "8470": _row("test_remark", "Testbezogene Hinweise", "remark on the test"),
    "8480": _row("result_text", "Ergebnis-Text", "result as text"),
    "0001": _row(
        "description_version", "Version der Beschreibung", "version of the description", 12, "refuse"
    ),
    "7273": _row("zone", "Zeitzone", "time zone", 60, "refuse"),
    "7278": _row("day", "Datum", "day", 8, "refuse"),
    "7279": _row("time", "Uhrzeit", "time", 6, "refuse"),
    **{code: _row(f"attribute_{code}", "Objektattribut", "what the next object is") for code in ATTRIBUTES},
    "9206": _row("charset", "verwendeter Zeichensatz", "character set", 1, "refuse"),
    "9218": _row("version", "Version GDT", "version of GDT", 5, "refuse"),
}
BEGINS: Final = frozenset({"8002", "8200"})  # an object: 3.5 by number, 3.0 and 3.1 by name
ENDS: Final = frozenset({"8003", "8201"})  # 3.5 says which, 3.0 and 3.1 how many lines it had
PATIENT_OBJECTS: Final = frozenset({"Obj_Patient", "Obj_0045"})

RECORDS: Final[dict[str, Text]] = {
    "6300": {"de": "Stammdaten anfordern", "en": "ask for a patient's data"},
    "6301": {"de": "Stammdaten übermitteln", "en": "a patient's data"},
    "6302": {"de": "neue Untersuchung anfordern", "en": "ask for an examination"},
    "6310": {"de": "Daten einer Untersuchung übermitteln", "en": "results of an examination"},
    "6311": {"de": "Daten einer Untersuchung zeigen", "en": "show results"},
}

CHARSETS: Final[dict[str, str]] = {"1": "ascii", "2": "cp437", "3": "iso-8859-1", "4": "iso-8859-15"}
DEFAULT_CHARSET: Final = "2"  # where 9206 is missing

Version = Literal["2.1", "3.0", "3.1"]
VERSIONS: Final[dict[Version, tuple[str, int]]] = {  # as 9218 says it, and the digits of 8100
    "2.1": ("02.10", 5),
    "3.0": ("03.00", 7),
    "3.1": ("03.10", 7),
}
