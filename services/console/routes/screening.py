"""Questionnaire, decision, consent and the clinic's documents."""

from fastapi import APIRouter

from services.console.context import Console
from services.console.screening import (
    asking_pages,
    consent_pages,
    deciding_pages,
    document_pages,
    tablet_pages,
)
from services.kit.routes import Routes


def router(console: Console) -> APIRouter:
    """``/patients/{patient}/questionnaire``, ``decision`` and ``consent``; ``/documents``."""
    routes = Routes(include_in_schema=False)
    tablet_pages.add(routes, console)  # (before the answers: `tablet` is no rule's id)
    asking_pages.add(routes, console)
    deciding_pages.add(routes, console)
    consent_pages.add(routes, console)
    document_pages.add(routes, console)
    return routes
