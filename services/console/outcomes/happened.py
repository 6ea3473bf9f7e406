"""Everything that led to how a clearance stands, as rows of a timeline, newest first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

from services.console.texts import TEXTS
from services.kit import formats, words
from services.kit.bidi import isolated
from services.kit.language import Language


def happened(found: dict[str, Any], language: Language) -> list[dict[str, str]]:
    """``found``: what screening answers about clearances, its times read and its details said."""
    rows: list[tuple[datetime, str, str, str]] = []

    def add(at: datetime, text: str, icon: str, *said: object, **values: object) -> None:
        detail = Markup(" · ").join(isolated(one) for one in said if one)
        rows.append((at, TEXTS[text][language].format(**values), icon, detail))

    for given in found["clearances"]:
        until = formats.day(given["valid_until"], language)
        place = TEXTS[f"region_{given['region']}"][language]
        add(given["at"], "clr_was_given", "done", given["by"], region=place, until=until)
    for one in found["suspensions"]:
        why = one[f"text_{language}"]
        add(one["at"], "clr_was_suspended", "paused", one["said"], one["by"], reason=why)
        if signed := one["restored"]:
            add(signed["at"], "clr_was_restored", "start", signed["reason"], signed["by"], reason=why)
    for cure in found["cures"]:
        for gate in cure["gates"]:
            if signed := gate["signed"]:
                said = (signed["reason"], signed["by"])
                add(signed["at"], "clr_was_signed", "edit", *said, number=gate["number"])
    rows.sort(key=lambda row: row[0], reverse=True)
    return [
        {"at": formats.moment(at, language), "text": text, "icon": icon, "detail": detail}
        for at, text, icon, detail in rows
    ]


def said(one: Mapping[str, Any], kinds: Mapping[str, Mapping[str, Any]], language: Language) -> str:
    """What a suspension is about beyond its reason, in words; ``kinds``: of adverse events."""
    detail = str(one["detail"])
    if one["reason"] == "aborted":
        return words.reason(detail, language)
    if one["reason"] == "gate":
        return TEXTS["clr_after"][language].format(number=str(one["subject"]).rpartition(":")[2])
    kind, _, grade = detail.rpartition(" ")
    if one["reason"] == "adverse" and kind in kinds:
        return f"{kinds[kind][language]}, {TEXTS['out_grade'][language].format(grade=grade)}"
    return detail
