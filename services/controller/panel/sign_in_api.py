"""Signing in at the bed, and out: ``/api/sign-in``. README.md has the payloads."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.controller import models
from services.controller.panel import rules
from services.controller.panel.guard import json_only
from services.controller.panel.sign_ins import SignIn, SignIns
from services.kit.auth.guard import public
from services.kit.auth.principal import Principal

Json = dict[str, Any]
Operator = Annotated[Principal, rules.at_the_panel()]


def router(signed: SignIns) -> APIRouter:
    """``GET`` and ``POST /api/sign-in``, ``POST /api/sign-in/touch``, ``POST /api/sign-out``."""
    routes = APIRouter(prefix="/api")

    def known(request: Request) -> SignIn | None:
        return signed.find(rules.cookie_of(request, signed))

    @routes.get("/sign-in", dependencies=[public()])
    def standing(request: Request) -> Json:
        """Who is signed in in this browser and who may sign in: open, because it is the way in."""
        signed.operators.refresh()
        return view(signed, known(request))

    @routes.post("/sign-in", dependencies=[public(), Depends(json_only), Depends(rules.at_the_bed)])
    def sign_in(body: models.SignInRequest, request: Request, response: Response) -> Json:
        """By name and PIN, or by badge; open, because it is the way in. Whoever was signed in before goes."""
        badge = body.badge.get_secret_value()
        if badge:
            cookie, made = signed.by_badge(badge)
        else:
            cookie, made = signed.by_pin(body.name, body.pin.get_secret_value())
        signed.close(rules.cookie_of(request, signed))
        response.set_cookie(
            rules.cookie_name(signed.site),
            cookie,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return view(signed, made)

    @routes.post("/sign-in/touch", dependencies=[Depends(json_only)])
    def touch(request: Request, _who: Operator) -> Json:
        """Somebody touches the screen: the idle time starts anew."""
        return view(signed, signed.touch(rules.cookie_of(request, signed)))

    @routes.post("/sign-out", dependencies=[public(), Depends(json_only)])
    def sign_out(request: Request, response: Response) -> Json:
        """Sign this browser out; open, because it takes nothing from anybody."""
        signed.close(rules.cookie_of(request, signed))
        response.delete_cookie(rules.cookie_name(signed.site), httponly=True, samesite="strict")
        return view(signed, None)

    return routes


def view(signed: SignIns, sign_in: SignIn | None) -> Json:
    """What the page is told: names to choose from, who is signed in, and what stands in the way."""
    standing = signed.operators.standing()
    listed = standing.in_force
    return {
        "signed_in": _who(signed, sign_in) if sign_in else None,
        "idle_limit_s": signed.idle_s,
        "operators": [
            {"name": row.name, "title": row.title, "pin": row.pin is not None}
            for row in (listed.operators if listed else ())
        ],
        "trouble": standing.trouble.as_json() if standing.trouble else None,
        "expires_at": _iso(standing.listed.expires_s) if standing.listed else None,
    }


def _who(signed: SignIns, sign_in: SignIn) -> Json:
    operator = sign_in.operator
    principal = operator.principal(signed.site)
    return {
        "name": operator.name,
        "title": operator.title,
        "how": sign_in.how,
        "idle_left_s": round(max(0.0, signed.idle_left_s(sign_in)), 1),
        "may_fault": principal.may("beds.fault", signed.site),
    }


def _iso(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
