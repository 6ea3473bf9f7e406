"""Accounts and billing offices, as the clinic's page asks for them: each field has a prefix."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.console.errors import BadSearch
from services.console.planning.problems import Problem
from services.console.refusals import said

Form = Mapping[str, str]
Row = dict[str, Any]
ACCOUNTS: Final = "accounts-"
OFFICE: Final = "office-"
NEW: Final = "-new-"  # no office's id begins with a hyphen
NUMBERS: Final = (
    "consultant", "client", "account_digits", "year_begins", "revenue", "debtors_from", "debtors_to", "bank",
    "cash", "card", "other", "fees",
)  # fmt: skip
OFFICE_NUMBERS: Final = ("customer", "number", "data_centre", "iknr", "contract")
DEFAULTS: Final = {"account_digits": "4", "year_begins": "1"}
LONGEST_NUMBER: Final = 12


def accounts_of(form: Form) -> Row | None:
    """What billing is told; None where nothing was typed. Raises BadSearch, naming the field."""
    found: Row = {name: _number(form, ACCOUNTS + name) for name in NUMBERS}
    found["chart"] = form.get(f"{ACCOUNTS}chart", "").strip()[:10] or None
    told = {name: value for name, value in found.items() if value is not None}
    return told if told.keys() - DEFAULTS.keys() else None


def offices_of(form: Form, held: Sequence[Row], key: str) -> list[Row]:
    """The offices with this form's in place of ``key`` or behind them, or without it. Raises BadSearch."""
    if form.get("remove"):
        return [row for row in held if row["id"] != key]
    made = _office(form, prefix_of(key))
    rows = [made if row["id"] == key else row for row in held]
    return rows if any(row["id"] == key for row in held) else [*rows, made]


def prefix_of(key: str) -> str:
    """What the fields of an office begin with; without a key those of a new one."""
    return f"{OFFICE}{key}-" if key else OFFICE + NEW


def at_field(problem: Problem, prefix: str) -> Problem:
    """The same at the form's own field: billing names the place in what was sent."""
    if not problem.field or problem.field.startswith(prefix):
        return problem
    return dataclasses.replace(problem, field=prefix + problem.field.split(".")[-1])


def typed(clinic: Row) -> dict[str, str]:
    """What the fields have before anybody types."""
    accounts = clinic.get("accounts") or {}
    found = {ACCOUNTS + name: _shown(accounts.get(name)) for name in (*NUMBERS, "chart")}
    for name, value in DEFAULTS.items():
        found[ACCOUNTS + name] = found[ACCOUNTS + name] or value
    found[f"{prefix_of('')}contract"] = "1"
    for office in clinic.get("billing_offices") or ():
        prefix = prefix_of(office["id"])
        found |= {prefix + name: _shown(value) for name, value in office.items() if name != "is_test"}
        found[f"{prefix}is_test"] = "yes" if office.get("is_test") else ""
    return found


def _office(form: Form, prefix: str) -> Row:
    found: Row = {name: _number(form, prefix + name) for name in OFFICE_NUMBERS}
    told = {name: value for name, value in found.items() if value is not None}
    for name in ("id", "name", "customer"):
        if not form.get(prefix + name, "").strip():
            raise BadSearch(said("out_needed"), prefix + name)
    certificate = form.get(f"{prefix}certificate", "").strip()
    return {
        **told, "id": form[f"{prefix}id"].strip(), "name": form[f"{prefix}name"].strip(),
        "is_test": bool(form.get(f"{prefix}is_test")), "certificate": certificate or None,
    }  # fmt: skip


def _number(form: Form, field: str) -> int | None:
    text = form.get(field, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER):
        raise BadSearch(said("books_no_number", value=text[:20]), field)
    return int(text)


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
