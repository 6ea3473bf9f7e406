"""The registry's HTTP interface: for machines with a code or a certificate, and for who keeps gateways."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import PlainTextResponse

from services.kit.auth.guard import allow, public
from services.kit.auth.principal import Principal
from services.kit.business import trail_route
from services.kit.business.sites import here
from services.kit.enrolment.models import Joining, Papers, Signed
from services.kit.errors import SpondylError
from services.kit.routes import Routes
from services.registry import enrolling, files, renewing, revoking, showing
from services.registry.desk import Desk, release
from services.registry.models import Enrolling, Revoking, shown
from services.registry.tries import Tries

Keeper = Annotated[Principal, allow("gateways.manage")]
Name = Annotated[str, Path(pattern=r"^[a-z0-9-]+$", max_length=64)]


def routers(desk: Desk) -> list[APIRouter]:
    """Every route; each says who may call it."""
    return [_machines(desk, Tries()), _keepers(desk), trail_route.router(desk.office)]


def _machines(desk: Desk, tries: Tries) -> APIRouter:
    """No sign-in: the authority is no secret, a code or a signature is proof enough for the rest."""
    made = Routes(tags=["machines"], dependencies=[public()])

    @made.get("/authority")
    def authority() -> dict[str, Any]:
        """Whom the chain's certificates are of; the first is the one that an enrolment code names."""
        authorities = desk.authorities
        return {
            "authorities": authorities.bundle, "fingerprint": authorities.fingerprint.hex(),
            "proof": authorities.proof, "version": release(),
        }  # fmt: skip

    @made.get("/revoked.pem", response_class=PlainTextResponse)
    def revoked() -> str:
        """The authorities' revocation lists."""
        return files.write_revoked(desk, desk.authorities)

    @made.post("/enrolments", status_code=201)
    def enrolments(asked: Joining, request: Request) -> Papers:
        """A machine with a code becomes a gateway, once: 403 says whether it is unknown, expired or used."""
        address = request.client.host if request.client else ""
        tries.require_some(address)
        try:
            return enrolling.join(desk, asked, address)
        except SpondylError:
            tries.spend(address)
            raise

    @made.post("/renewals")
    def renewals(asked: Signed, request: Request) -> Papers:
        """New certificates, and what is new of the site, for a gateway whose certificate holds."""
        return renewing.renew(desk, asked, request.client.host if request.client else "")

    return made


def _keepers(desk: Desk) -> APIRouter:
    made = Routes(tags=["gateways"])

    @made.get("/gateways")
    def gateways(who: Keeper) -> dict[str, Any]:
        """Every gateway and integrator of your sites."""
        return {"gateways": showing.gateways(desk, who)}

    @made.post("/gateways", status_code=201)
    def enrol(who: Keeper, wanted: Enrolling) -> dict[str, Any]:
        """A gateway that is to come: its code, which is shown here and never again."""
        here(who, "gateways.manage", wanted.site)
        code, ends_us = enrolling.enrol(desk, who, wanted)
        return {
            "gateway": wanted.name, "site": wanted.site, "devices": list(wanted.devices), "code": code.text,
            "expires_at": shown(ends_us),
        }  # fmt: skip

    @made.get("/gateways/{gateway}")
    def gateway(who: Keeper, gateway: Name) -> dict[str, Any]:
        """One of them, with every certificate that it ever had."""
        return showing.gateway(desk, who, gateway)

    @made.post("/gateways/{gateway}/revoke")
    def revoke(who: Keeper, gateway: Name, asked: Revoking) -> dict[str, Any]:
        """End its access: certificates, rights and codes."""
        member, count = revoking.revoke(desk, who, gateway, asked.reason)
        return {"gateway": member.name, "site": member.site, "certificates": count}

    return made
