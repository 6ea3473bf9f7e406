"""Questions as a page shows them, and answers as screening takes them."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Form

from services.console.screening.shared import in_words
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.language import Language

Text = Annotated[str, Form(max_length=40)]
NUMBER_DETAIL: Final = "bone_loss_percent"
FLAG: Final = {"yes": True, "no": False}


def shown(row: dict[str, Any], language: Language) -> dict[str, Any]:
    """A question as a page shows it, with the answer that counts."""
    given = row["given"] or {}
    fresh = given.get("fresh_fracture")
    again = TEXTS["screening_ask_again"][language] if row["ask_again"] else ""
    return {
        "again": again.format(
            day=formats.day(datetime.fromisoformat(given["at"]), language),
            answer=TEXTS[f"answer_{given['answer']}"][language],
        ) if again else "",
        **{name: row[name] for name in ("id", "section", "asked", "test", "absolute", "origin")},
        "question": in_words(row, "question", language), "text": in_words(row, "text", language),
        "evidence": in_words(row, "evidence", language),
        "answer": "" if again else given.get("answer", ""),
        "on": given.get("on", ""), "bone_loss_percent": str(given.get(NUMBER_DETAIL, "")),
        "fresh_fracture": "" if fresh is None else "yes" if fresh else "no",
        "by": given.get("by", ""), "at": given.get("at", ""), "problem": "",
    }  # fmt: skip


def typed_in(answer: str, on: str, bone_loss_percent: str, fresh_fracture: str) -> dict[str, str]:
    """What a form sent, by the names of its fields."""
    return {
        "answer": answer, "on": on, NUMBER_DETAIL: bone_loss_percent, "fresh_fracture": fresh_fracture,
    }  # fmt: skip


def value_of(typed: dict[str, str]) -> dict[str, Any]:
    """An answer as screening takes it: details only where something was typed and the answer is yes."""
    value: dict[str, Any] = {"answer": typed["answer"]}
    if typed["answer"] != "yes":
        return value
    if typed["on"]:
        value["on"] = typed["on"]
    if loss := typed[NUMBER_DETAIL].strip().replace(",", "."):
        try:
            value[NUMBER_DETAIL] = float(loss)
        except ValueError:
            value[NUMBER_DETAIL] = loss  # refused there, in both languages
    if typed["fresh_fracture"] in FLAG:
        value["fresh_fracture"] = FLAG[typed["fresh_fracture"]]
    return value
