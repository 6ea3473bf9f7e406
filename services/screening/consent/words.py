"""The tables of consent: the points of BGB 630e, the documents, how a copy goes and a withdrawal comes."""

from collections.abc import Mapping
from typing import Final, Literal

from services.kit.language import Text

POINTS: Final[Mapping[str, Text]] = {  # BGB 630e(1): what is to be talked about, in the law's order
    "nature": {"de": "Art der Maßnahme", "en": "Kind of the treatment"},
    "scope": {"de": "Umfang: Zahl und Dauer der Sitzungen", "en": "Scope: number and length of sessions"},
    "conduct": {"de": "Durchführung", "en": "How it is carried out"},
    "consequences": {"de": "Zu erwartende Folgen", "en": "Consequences to be expected"},
    "risks": {"de": "Risiken", "en": "Risks"},
    "necessity": {"de": "Notwendigkeit", "en": "Necessity"},
    "urgency": {"de": "Dringlichkeit", "en": "Urgency"},
    "suitability": {"de": "Eignung für die Diagnose", "en": "Suitability for the diagnosis"},
    "prospects": {"de": "Erfolgsaussichten", "en": "Prospects of success"},
    "alternatives": {"de": "Alternativen", "en": "Alternatives"},
}

Kind = Literal["consent", "information", "before", "after"]
KINDS: Final[Mapping[str, Text]] = {
    "consent": {"de": "Einwilligungserklärung", "en": "Declaration of consent"},
    "information": {"de": "Informationsblatt", "en": "Information sheet"},
    "before": {"de": "Merkblatt vor der Behandlung", "en": "Leaflet before treatment"},
    "after": {"de": "Merkblatt nach der Behandlung", "en": "Leaflet after treatment"},
}
COPIES: Final[Mapping[str, Text]] = {
    "paper": {"de": "auf Papier", "en": "on paper"},
    "e-mail": {"de": "per E-Mail", "en": "by e-mail"},
    "medium": {"de": "auf einem Datenträger", "en": "on a data medium"},
}
WITHDRAWALS: Final[Mapping[str, Text]] = {
    "oral": {"de": "mündlich", "en": "orally"},
    "written": {"de": "schriftlich", "en": "in writing"},
    "session": {"de": "während einer Sitzung", "en": "during a session"},
}
SIGNERS: Final[Mapping[str, Text]] = {
    "patient": {"de": "Patientin oder Patient", "en": "patient"},
    "guardian": {"de": "sorgeberechtigt oder bevollmächtigt", "en": "guardian or proxy"},
}
REGIONS: Final[Mapping[str, Text]] = {
    "lumbar": {"de": "Lendenwirbelsäule", "en": "lumbar spine"},
    "cervical": {"de": "Halswirbelsäule", "en": "cervical spine"},
}
