"""Questionnaire and QuestionnaireResponse: the contraindication rules' questions, and what was answered."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.kit.fhir import FhirInvalid, Resource, checked
from services.screening.exchange.fhir.treatments import reference
from services.screening.rules.store import Given

CANONICAL: Final = "urn:spondyl:questionnaire"
ANSWERS: Final = "urn:spondyl:answer"  # yes, no, unsure
REGIONS: Final = ("lumbar", "cervical")
_DETAILS: Final[Mapping[str, str]] = {  # a detail of an answer, and the kind of value that it is
    "on": "valueDate",
    "bone_loss_percent": "valueDecimal",
    "fresh_fracture": "valueBoolean",
}
MOST_ITEMS: Final = 200


def questionnaire(region: str, shown: Mapping[str, Any], language: str = "en") -> Resource:
    """The questions of a region, as `questionnaire()` of the rules gives them."""
    made = {
        "resourceType": "Questionnaire",
        "id": region,
        "url": f"{CANONICAL}:{region}",
        "version": str(shown["version"]),
        "status": "active",
        "subjectType": ["Patient"],
        "language": language,
        "item": [_question(row, language) for row in shown["questions"]],
    }
    return checked("Questionnaire", made)


def _question(row: Mapping[str, Any], language: str) -> Resource:
    text = str(row[f"question_{language}"] or row[f"text_{language}"])
    options = [{"valueCoding": {"system": ANSWERS, "code": code}} for code in ("yes", "no", "unsure")]
    return {"linkId": row["id"], "type": "choice", "text": text, "answerOption": options}


def response(shown: Mapping[str, Any], given: Mapping[str, Given], at: str) -> Resource:
    """What was answered of a region's questions; what was not is left out, and is not a no."""
    items = [_item(row, given[row["id"]]) for row in shown["questions"] if row["id"] in given]
    made: Resource = {
        "resourceType": "QuestionnaireResponse",
        "id": f"{shown['patient']}-{shown['region']}",
        "questionnaire": f"{CANONICAL}:{shown['region']}|{shown['version']}",
        "status": "completed" if shown["answered"] == shown["total"] else "in-progress",
        "subject": reference(shown["patient"]),
        "authored": at,
    }
    if items:
        made["item"] = items
    return checked("QuestionnaireResponse", made)


def _item(row: Mapping[str, Any], given: Given) -> Resource:
    body = given.answer.body()
    answer: Resource = {"valueCoding": {"system": ANSWERS, "code": body["answer"]}}
    details = [
        {"linkId": f"{row['id']}.{name}", "answer": [{kind: body[name]}]}
        for name, kind in _DETAILS.items()
        if name in body
    ]
    if details:
        answer["item"] = details
    return {"linkId": row["id"], "text": row["question_en"] or row["text_en"], "answer": [answer]}


def answers_of(resource: Resource) -> dict[str, dict[str, Any]]:
    """What a QuestionnaireResponse answers, by rule. Raises FhirInvalid that names each place."""
    if resource.get("status") not in ("completed", "amended", "in-progress"):
        raise FhirInvalid(
            [("QuestionnaireResponse.status", f"is {resource.get('status')!r}: nothing is taken")]
        )
    wrong: list[tuple[str, str]] = []
    found: dict[str, dict[str, Any]] = {}
    for place, item in enumerate((resource.get("item") or [])[:MOST_ITEMS]):
        said = _answer(item)
        where = f"QuestionnaireResponse.item[{place}]"
        if said is None:
            wrong.append(
                (where, f"{item.get('linkId')!r}: one answer is needed, a coding of {ANSWERS} or a yes/no")
            )
        elif item["linkId"] in found:
            wrong.append((where, f"{item['linkId']!r} is answered twice"))
        else:
            found[item["linkId"]] = said
    if wrong:
        raise FhirInvalid(wrong)
    return found


def _answer(item: Resource) -> dict[str, Any] | None:
    """One item's answer with its details."""
    answers = item.get("answer") or []
    if len(answers) != 1:
        return None
    coding = answers[0].get("valueCoding") or {}
    word = coding.get("code") if coding.get("system") == ANSWERS else None
    if isinstance(answers[0].get("valueBoolean"), bool):
        word = "yes" if answers[0]["valueBoolean"] else "no"
    if word is None:
        return None
    return {
        "answer": word,
        **dict(_details(item["linkId"], [*(answers[0].get("item") or []), *(item.get("item") or [])])),
    }


def _details(rule: str, items: list[Resource]) -> Iterator[tuple[str, Any]]:
    for item in items:
        name = str(item.get("linkId", "")).removeprefix(f"{rule}.")
        kind = _DETAILS.get(name)
        for answer in (item.get("answer") or [])[:1]:
            value = answer.get(kind) if kind else next(iter(answer.values()), None)
            yield name, float(value) if kind == "valueDecimal" and value is not None else value
