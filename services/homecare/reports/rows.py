"""The reports as the API shows them: the overview, one programme by days, a site or the chain by figures."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from statistics import quantiles
from typing import Any, Final

from services.homecare.diary.signs import sign_words
from services.homecare.exercises.library import library
from services.homecare.models import Judged
from services.homecare.programmes.states import STATES
from services.homecare.progression.today import Course
from services.homecare.reports.adherence import Adherence, days
from services.homecare.reports.calls import LEAST_URGENT, Call, calls
from services.homecare.reports.models import Case, Row

WINDOWS: Final = (7, 28)  # days that are over, the last of them yesterday
COLUMNS: Final = ("site", "measure", "value")
_DAY: Final = timedelta(days=1)
NOTE: Final = {
    "de": "Fehlend heißt: vom Telefon ist seither nichts gekommen. Solche Tage zählen weder als geübt noch "
    "als nicht geübt. Heute zählt erst, wenn es vorbei ist.",
    "en": "Missing means: nothing has come from the telephone since. Such days count neither as done nor as "
    "not done. Today counts when it is over.",
}


def overview(cases: Iterable[Case]) -> list[Row]:
    """A row a programme, those first who need a call first."""
    rows = [(_rank(found := calls(case)), _row(case, found)) for case in cases]
    return [row for _, row in sorted(rows, key=lambda one: (one[0], one[1]["site"], one[1]["programme"]))]


def _rank(found: Sequence[Call]) -> tuple[int, date]:
    return (found[0].urgency, found[0].since) if found else (LEAST_URGENT, date.max)


def _row(case: Case, found: Sequence[Call]) -> Row:
    one, yesterday = case.programme, case.today - _DAY
    last_pain = max(case.pains, default=None, key=lambda day: (day <= case.today, day))
    return {
        "programme": str(one.id), "patient": str(one.patient), "site": one.site, "region": one.region,
        "state": one.state, "language": one.language, "template": one.wanted.template,
        "starts_on": case.past.first, "last_day": case.past.last, "today": case.today,
        "suspended": one.suspended and one.suspended.model_dump(mode="json"),
        "adherence": {
            str(count): case.between(case.today - count * _DAY, yesterday).as_json() for count in WINDOWS
        },
        "days": [_glance(case, day) for day in days(case.today - 27 * _DAY, case.today)],
        "done_today": case.past.status(case.today) == "done",
        "last_done": case.last_done, "last_heard": case.heard_at, "has_link": case.has_link,
        "last_pain": None if last_pain is None else {"day": last_pain, **_pain(case, last_pain)},
        "open_reports": len(case.open_reports), "waiting": case.waiting(),
        "urgency": found[0].urgency if found else None,
        "calls": [call.model_dump(mode="json") for call in found],
    }  # fmt: skip


def one(case: Case, course: Course, first: date, last: date) -> Row:
    """One programme, a row a day."""
    programme, over = case.programme, min(last, case.today - _DAY)
    total = case.between(first, over) if first <= over else Adherence(None, 0, 0, 0, 0, 0)
    return {
        "programme": str(programme.id), "patient": str(programme.patient), "site": programme.site,
        "region": programme.region, "state": programme.state, "from": first, "to": last, "today": case.today,
        "starts_on": case.past.first, "last_day": case.past.last,
        "days_per_week": programme.wanted.days_per_week, "pain_limit_nrs": programme.wanted.pain_limit_nrs,
        "last_done": case.last_done, "last_heard": case.heard_at, "has_link": case.has_link,
        "total": total.as_json(), "weeks": _weeks(case, first, over),
        "days": [_day(case, day) for day in days(first, last)],
        "levels": [_level(judged, case, course) for judged in programme.decision.exercises],
        "pains": [_report(row) for row in case.reports if first <= row["day"] <= last],
        "calls": [call.model_dump(mode="json") for call in calls(case)], "note": NOTE,
    }  # fmt: skip


def _weeks(case: Case, first: date, over: date) -> list[Row]:
    """Weeks from Monday on."""
    found, begin = [], first
    while begin <= over:
        end = min(begin + (6 - begin.weekday()) * _DAY, over)
        found.append({"from": begin, "to": end, **case.between(begin, end).as_json()})
        begin = end + _DAY
    return found


def _day(case: Case, day: date) -> Row:
    status = case.past.status(day)
    if status in ("nothing", "missing") and day >= case.today:  # it is not over, or not come yet
        status = "outside" if day > case.today else status
    entries = [row for row in case.entries if row["day"] == day and row["kind"] == "exercise"]
    return {
        "day": day, "status": status, "closed": case.past.why_closed(day) if status == "closed" else None,
        "is_over": day < case.today, "minutes": round((case.past.done_s or {}).get(day, 0) / 60, 1),
        "exercises": sorted({row["exercise"] for row in entries if row["exercise"]}),
        "stopped": sorted({row["exercise"] for row in entries if row["data"].get("stopped")}),
        "marks": sorted({mark for row in entries for mark in row["marks"]}),
        "pain": _pain(case, day),
    }  # fmt: skip


def _glance(case: Case, day: date) -> Row:
    """A day in a strip of them."""
    return {
        "day": day, "status": case.past.status(day), "is_over": day < case.today, "pain": _pain(case, day),
    }  # fmt: skip


def _pain(case: Case, day: date) -> Row:
    """0-10; None: nobody said, which is not zero."""
    found = case.pains.get(day)
    return {
        "most": found and found.most, "before": found and found.before, "after": found and found.after
    }  # fmt: skip


def _level(judged: Judged, case: Case, course: Course) -> Row:
    row = library().of(judged.exercise)
    return {
        "exercise": row.id, "name": row.name, "verdict": judged.verdict,
        "level": course.levels.get(row.id, judged.start_level), "start_level": judged.start_level,
        "ceiling_level": judged.ceiling_level, "levels": len(row.levels),
        "signed": case.signed.get(row.id, 0), "supervised_sessions": judged.supervised_sessions,
        "is_locked": bool(course.locked & {row.id, "*"}), "is_off": row.id in course.off,
    }  # fmt: skip


def _report(row: Row) -> Row:
    answer = row["answer"]
    return {
        "report": row["entry"], "day": row["day"], "exercise": row["exercise"], "pain_nrs": row["pain_nrs"],
        "where": row["where"], "above": row["above"],
        "signs": [{"id": sign, "words": sign_words(sign)} for sign in row["signs"]],
        "answer": answer and {"decision": answer["decision"], "words": answer["words"], "by": answer["name"]},
    }  # fmt: skip


def chain(cases: Iterable[Case], first: date, last: date) -> Row:
    """Every site and all of them together."""
    by_site: dict[str, list[Case]] = {}
    for case in cases:
        by_site.setdefault(case.programme.site, []).append(case)
    everything = [case for some in by_site.values() for case in some]
    return {
        "from": first, "to": last, "total": figures(everything, first, last),
        "sites": [{"site": site, **figures(some, first, last)} for site, some in sorted(by_site.items())],
        "note": NOTE,
    }  # fmt: skip


def figures(cases: Sequence[Case], first: date, last: date) -> Row:
    """Of some programmes."""
    each = [case.between(first, min(last, case.today - _DAY)) for case in cases]
    percents = [one.percent for one in each if one.percent is not None]
    hurt = sum(any(first <= row["day"] <= last for row in case.reports) for case in cases)
    states = Counter(case.programme.state for case in cases)
    return {
        "programmes": len(cases), "states": {state: states[state] for state in STATES},
        "adherence": {**quartiles(percents), "known": len(percents), "unknown": len(cases) - len(percents)},
        "days": {
            "done": sum(one.done for one in each), "due": sum(one.due for one in each),
            "missing": sum(one.missing for one in each), "closed": sum(one.closed for one in each),
        },
        "with_pain_reports": hurt,
        "with_pain_reports_percent": round(100 * hurt / len(cases), 1) if cases else None,
        "completed": sum(case.completed is not None and first <= case.completed <= last for case in cases),
    }  # fmt: skip


def quartiles(values: Sequence[float]) -> dict[str, float | None]:
    """The median and what half of them lie between; none of nothing."""
    if not values:
        return {"lower_quartile": None, "median": None, "upper_quartile": None}
    lower, median, upper = quantiles([*values] * (2 if len(values) == 1 else 1), n=4, method="inclusive")
    return {"lower_quartile": round(lower, 1), "median": round(median, 1), "upper_quartile": round(upper, 1)}


def as_csv(found: Row) -> str:
    """A line a figure; what is not known is empty."""
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for name, row in [("", found["total"]), *((row["site"], row) for row in found["sites"])]:
        for measure, value in _flat({key: value for key, value in row.items() if key != "site"}):
            writer.writerow([name, measure, "" if value is None else value])
    return page.getvalue()


def _flat(row: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", found) for inner, found in value.items())
        else:
            yield name, value
