"""The registry in this process, with what gateways are given; a clinic's machine that joins it."""

import base64
import gc
import signal
from datetime import timedelta

from business_rig import BusinessRig
from servers import eventually

from broker.bus import Bus, Tls
from broker.refusals import SAID
from services.kit import clearance, http, pki
from services.kit.auth import operators, tokens
from services.kit.auth.guard import bearer
from services.kit.auth.principal import SYSTEM
from services.kit.business.service import open_office
from services.kit.enrolment import codes
from services.kit.enrolment.machine import Joined, Machine
from services.kit.enrolment.models import PARTS, Papers, Renewal, Signed
from services.registry import enrolling
from services.registry.api import routers
from services.registry.desk import Desk
from services.registry.models import Enrolling
from services.registry.settings import RegistrySettings
from services.registry.tables import PACKAGE, TABLES


class RegistryRig(BusinessRig):
    """``now`` may be set: the registry's clock follows it."""

    audience, role = tokens.REGISTRY, "administrator"

    def __init__(self, directory, **settings):
        self.now = pki.utc_now()
        self.settings = RegistrySettings(data=directory, **settings)
        self.keys = tokens.ensure_keys(directory)
        clearance.ensure_keys(directory)
        operators.ensure_bedside_key(directory)
        self.office = open_office("registry", PACKAGE, TABLES, self.settings)
        self.desk = Desk(self.office, self.settings, lambda: self.now)
        guard = bearer(self.keys.public.read_bytes(), tokens.REGISTRY)
        self.app = http.create_app("registry", "0", routers=routers(self.desk), guard=guard)
        self.handlers = {}

    def later(self, **span):
        """Time passes at the registry."""
        self.now += timedelta(**span)

    def code(self, name="gw-north", site="north", devices=("bed-01",), **more):
        """A code for a gateway, in its parts."""
        wanted = Enrolling(name=name, site=site, devices=devices, **more)
        return enrolling.enrol(self.desk, SYSTEM, wanted)[0]

    def show(self, code, parts=PARTS, **more):
        """What a machine with this code is answered; its keys are left in ``machine``."""
        secret = code.secret if isinstance(code, codes.Code) else code
        self.machine = {part: pki.new_key() for part in parts}
        requests = {part: pki.request_pem(key, part) for part, key in self.machine.items()}
        body = {"secret": secret, "requests": requests, "version": "0.1.0", **more}
        answer = self.client().request("POST", "/enrolments", json=body)
        self.last = answer.json()
        return answer

    def joined(self, name="gw-north", site="north", devices=("bed-01",), **more):
        """The papers of a new gateway."""
        answer = self.show(self.code(name, site, devices, **more))
        assert answer.status_code == 201, answer.text
        return answer.json()


def signed(rig, papers, key=None, at=None, parts=("gateway",), certificate=None):
    """A renewal as a machine makes it, and its new keys."""
    keys = {part: pki.new_key() for part in parts}
    renewal = Renewal(
        certificate=certificate or papers["certificates"]["gateway"],
        requests={part: pki.request_pem(one, part) for part, one in keys.items()},
        at=at or rig.now,
        version="0.2.0",
    ).model_dump_json()
    signature = base64.b64encode(pki.sign(key or rig.machine["gateway"], renewal.encode())).decode()
    return Signed(body=renewal, signature=signature), keys


def keep(rig, directory, name="gw-north", **more):
    """What the machine of the papers that were shown last keeps, as `join` writes it; its directory."""
    shown = rig.last
    papers = Papers.model_validate(shown)
    assert papers.gateway == name
    joined = Joined(
        gateway=name, site=papers.site, devices=papers.devices, centre="https://localhost:1",
        mqtt=papers.broker, parts=tuple(papers.certificates), **more,
    )  # fmt: skip
    Machine(directory).keep(papers, rig.machine, joined)
    return directory


def reload(broker):
    """Let Mosquitto read its files anew; it does so at its next look around."""
    broker.process.send_signal(signal.SIGHUP)


def outcome(url, tls, name="gw-north", timeout_s=15):
    """How a connection ends: ``connected``, or why certificates were not taken."""
    bus = Bus(url, name, site="north", tls=tls)
    bus.start()
    try:
        found = eventually(lambda: bus.refusal or (bus.connected and "connected"), timeout_s, "an answer")
        assert found == "connected" or bus.last_error == f"{url}: {SAID[found]}"
        return found
    finally:
        bus.close(0.1)
        gc.collect()


def tls_of(directory, name="gateway"):
    """The certificates that a machine, or the centre, keeps in its folder of secrets."""
    return Tls(*(str(directory / "secrets" / file) for file in ("ca.crt", f"{name}.crt", f"{name}.key")))
