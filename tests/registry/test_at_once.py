"""Two things at the same moment: what was ended stays ended, what is one's own stays one's own."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

from registry_rig import RegistryRig, signed

from services.kit import pki
from services.kit.auth.principal import SYSTEM
from services.kit.database import reading, writing
from services.kit.enrolment.models import PARTS, Joining
from services.kit.errors import SpondylError
from services.registry import enrolling, renewing, store
from services.registry.errors import Conflict
from services.registry.models import Enrolling, Member


def held_up(rig, act, looks):
    """What comes of ``act(desk)`` when the gateway is revoked on its way: after that look at the clock."""
    reached, seen = threading.Event(), []

    def clock():
        seen.append(1)
        if len(seen) == looks:
            reached.set()
        return rig.now

    with ThreadPoolExecutor(1) as pool:
        with writing(rig.engine) as connection:
            waiting = pool.submit(act, replace(rig.desk, now=clock))
            assert reached.wait(20)
            serials = [one.serial for one in store.certificates_of(connection, "gw-north")]
            store.revoke(connection, serials, rig.now, "stolen")
            store.end_member(connection, "gw-north", rig.now)
        return waiting.exception(20)


def holding(rig):
    """Certificates of the gateway that nobody revoked."""
    with reading(rig.engine) as connection:
        serials = [one.serial for one in store.certificates_of(connection, "gw-north")]
        return set(serials) - store.revoked_serials(connection, serials)


def test_a_code_that_is_shown_while_its_gateway_is_revoked_opens_nothing(rig):
    """Who is revoked must not come out of it with certificates that no list will ever name."""
    requests = {part: pki.request_pem(pki.new_key(), part) for part in PARTS}
    asked = Joining(secret=rig.code().secret, requests=requests)
    assert isinstance(held_up(rig, lambda desk: enrolling.join(desk, asked, ""), 1), SpondylError)
    assert holding(rig) == set()


def test_a_renewal_that_comes_while_its_gateway_is_revoked_gives_nothing(rig):
    """A stolen machine renews just then: its new certificates would hold, and be renewed for ever."""
    papers = rig.joined()
    asked = signed(rig, papers, parts=PARTS)[0]
    assert isinstance(held_up(rig, lambda desk: renewing.renew(desk, asked, ""), 2), SpondylError)
    assert holding(rig) == set()


def test_a_bed_that_two_gateways_are_given_at_once_is_one_s(postgres, tmp_path):
    """PostgreSQL shows neither of two what the other has not committed: both would speak for the bed."""
    rig = RegistryRig(tmp_path / "centre", business_database_url=postgres.database())
    first = Member("gw-a", "gateway", "north", ("bed-01",), ("localhost",), 1, None, "")
    second = Enrolling(name="gw-b", site="north", devices=("bed-01",))
    with ThreadPoolExecutor(1) as pool:
        with writing(rig.engine) as connection:
            store.wait_turn(connection)
            store.put_member(connection, first)
            waiting = pool.submit(enrolling.enrol, rig.desk, SYSTEM, second)
            wait([waiting], 0.5)
        assert isinstance(waiting.exception(20), Conflict)
    rig.close()
