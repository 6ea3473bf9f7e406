"""A site's letterhead, bank, tax data and tariffs, over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from broker.fields import Slug
from services.billing.clinics import checking, store
from services.billing.goae import tariffs
from services.billing.models import Clinic
from services.billing.papers import issuing
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here
from services.kit.database import reading, writing
from services.kit.moments import Now, instant_of, us_of
from services.kit.routes import Routes

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("billing.settings")]


class Factors(BaseModel):
    """What a site sets in place of a tariff's factors; empty: those of the program."""

    model_config = ConfigDict(extra="forbid")

    factors: dict[str, str]


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["clinics"])
    _letterhead(made, office, now)
    _tariffs(made, office, now)
    return made


def _letterhead(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/clinics/{site}")
    def clinic(site: Slug, who: Reader) -> Row:
        """The newest version, what an invoice lacks, and the versions before."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            found = store.clinic_of(connection, site)
            versions = store.versions(connection, site)
        return {
            "site": site, "clinic": found and found.model_dump(mode="json"), "missing": lacking(found, site),
            "versions": [
                {"at": instant_of(row["at_us"]).isoformat(), "by": row["by"], "clinic": row["content"]}
                for row in versions
            ],
        }  # fmt: skip

    @router.put("/clinics/{site}")
    def clinic_put(site: Slug, body: Clinic, who: Writer) -> Row:
        """One more version; papers that were issued keep theirs. Bank, zone and certificates are checked."""
        here(who, "billing.settings", site)
        with writing(office.engine) as connection:
            told = checking.checked(body, store.clinic_of(connection, site), now())
            store.put_clinic(connection, site, told, who.name, us_of(now()))
        office.seen(who, "clinic.changed", f"site {site}", site)
        return {"site": site, "clinic": told.model_dump(mode="json"), "missing": lacking(told, site)}


def _tariffs(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/tariffs/{site}")
    def tariffs_shown(site: Slug, who: Reader) -> Row:
        """Every tariff, and what the site set in place of its factors."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            own = store.factors_of(connection, site)
        return {
            "site": site,
            "tariffs": [
                {"name": name, "text": text, "factors": own.get(name, {})}
                for name, text in tariffs.names().items()
            ],
        }

    @router.put("/tariffs/{site}/{name}")
    def tariff_put(site: Slug, name: str, body: Factors, who: Writer) -> Row:
        """Set factors of a tariff: a lower factor by number, section or "*", never a percentage off."""
        here(who, "billing.settings", site)
        with writing(office.engine) as connection:
            store.put_factors(connection, site, name, body.factors, who.name, us_of(now()))
            own = store.factors_of(connection, site)
        office.seen(who, "tariff.changed", f"site {site}", site, tariff=name)
        return {"site": site, "name": name, "factors": own.get(name, {})}


def lacking(clinic: Clinic | None, site: str) -> list[Row]:
    """What an invoice lacks: the field, its names and the rule that asks for it."""
    needed = issuing.missing(clinic or Clinic(name=site))
    return [
        {"field": one.field, "de": one.words["de"], "en": one.words["en"], "rule": one.rule} for one in needed
    ]
