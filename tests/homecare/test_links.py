"""Secret links: an address that opens one programme, is shown once and can be taken back."""

from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from asgi_client import Client
from homecare.at_home import Home
from homecare.homecare_rig import HomecareRig
from sqlalchemy import select

from services.homecare.diary.pace import Pace
from services.homecare.errors import TooMany
from services.homecare.tables import METADATA, TABLES
from services.kit.database import reading

HEADERS = {
    "cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow",
}  # fmt: skip


@pytest.fixture
def home(rig):
    """Somebody at home."""
    return Home(rig)


def links(home, **options):
    """The links of the programme as staff see them."""
    return home.rig.ask("GET", f"/programmes/{home.programme}/links", **options)["links"]


def everything(rig):
    """All that the database holds, as text."""
    tables = [*METADATA.tables.values(), TABLES.trail, TABLES.outbox]
    with reading(rig.engine) as connection:
        return repr([[tuple(row) for row in connection.execute(select(table))] for table in tables])


def test_each_link_opens_its_programme_until_it_is_revoked(home):
    """A lost telephone is one link: the others of the same patient go on."""
    other, secret = home.invite()
    assert home.get(secret).json()["programme"] == home.get().json()["programme"] == home.programme
    home.rig.ask("DELETE", f"/links/{home.link}", status=204)
    refusal = home.get()
    assert (refusal.status_code, refusal.json()["type"]) == (410, "urn:spondyl:problem:gone")
    assert "Lassen Sie sich einen neuen geben" in refusal.json()["detail_de"]
    assert home.get(secret).status_code == 200
    assert {one["link"]: one["revoked_by"] for one in links(home)} == {home.link: "clinician", other: None}


@pytest.mark.requirement("keep-links-secret")
def test_a_revoked_link_keeps_nothing_and_an_unknown_one_says_nothing(home):
    """What was not sent stays on the telephone; nobody learns which addresses there were."""
    home.rig.ask("DELETE", f"/links/{home.link}", status=204)
    assert home.post(home.done()).status_code == 410
    assert home.diary()["entries"] == []
    unknown = {
        path: home.get(path).status_code for path in ("x" * 43, home.secret[:-1], home.link, "%00", "ü")
    }
    assert set(unknown.values()) == {404}
    assert home.post(home.done(), secret="x" * 43).status_code == 404


def test_its_address_is_shown_once_and_only_its_digest_is_kept(home):
    """Whoever reads the database, a backup of it or the list of links opens nobody's programme."""
    path, body = f"/programmes/{home.programme}/links", {"request": str(uuid4())}
    made = home.rig.ask("POST", path, json=body, status=201)
    secret = urlsplit(made["address"]).path.removeprefix("/h/")
    assert made["address"] == f"http://testserver/h/{secret}"
    assert len(secret) == 43
    assert made["qr_svg"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    again = home.rig.ask("POST", path, json=body, status=201)
    assert (again["link"], again["address"], again["qr_svg"]) == (made["link"], None, None)
    assert len(links(home)) == 2
    assert secret not in everything(home.rig)
    other = Home(home.rig)
    assert home.rig.knock("POST", f"/programmes/{other.programme}/links", json=body).status_code == 409


def test_the_address_is_the_one_that_patients_reach(tmp_path):
    """The console asks by an inside address, which no telephone at home can open; a proxy does so too."""
    rig = HomecareRig(tmp_path, home_url="https://home.example/")
    home = Home(rig)
    made = rig.ask("POST", f"/programmes/{home.programme}/links", json={"request": str(uuid4())})
    assert made["address"].startswith("https://home.example/h/")
    at, body = f"/h/{home.secret}/entries", {"entries": [home.done()]}
    codes = {
        origin: Client(rig.app, {"origin": origin}).post(at, json=body).status_code
        for origin in ("https://home.example", "http://testserver", "https://other.example")
    }
    assert list(codes.values()) == [200, 200, 403]
    rig.close()


@pytest.mark.requirement("keep-links-secret")
def test_the_secret_is_in_no_trail_no_error_no_metric_and_no_header(home):
    """Each of them is read by people who may not open a patient's programme."""
    home.send(home.done())
    broken = [home.post(), home.post(*[home.done()] * 501), home.post("x"), home.get(home.secret + "x")]
    home.rig.ask("DELETE", f"/links/{home.link}", status=204)
    answers = [*broken, home.get(), home.rig.knock("GET", "/metrics"), home.rig.knock("GET", "/openapi.json")]
    assert [one.status_code for one in answers] == [422, 422, 200, 404, 410, 200, 200]
    for answer in answers:
        assert home.secret not in answer.text + repr(answer.headers)
    assert 'route="/h/{secret}/entries"' in answers[5].text
    assert home.secret not in everything(home.rig)
    used = [row for row in home.rig.trail() if row["account"] == "link"]
    assert [(row["action"], row["record"]) for row in used] == [("diary.entered", f"link {home.link}")]


def test_whatever_a_link_answers_is_kept_nowhere(home):
    """A shared computer, a proxy, a search engine: none of them keeps it, a refusal neither."""
    for answer in (home.get(), home.get("x" * 43), home.post(), home.send(home.done()) and home.post("x")):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_that_it_was_opened_is_noted_once_an_hour(home):
    """The clinic sees whether a link is used; a telephone that asks all day writes no row each time."""
    assert links(home)[0]["opened_at"] is None
    seen = []
    for minutes in (0, 59, 1):
        home.rig.now += timedelta(minutes=minutes)
        home.get()
        seen.append(links(home)[0]["opened_at"])
    assert seen == ["2026-11-23T07:00:00Z", "2026-11-23T07:00:00Z", "2026-11-23T08:00:00Z"]


def test_links_are_another_site_s_or_role_s_business(home):
    """Another site's record is answered like one that does not exist."""
    path, body = f"/programmes/{home.programme}/links", {"request": str(uuid4())}
    for method, where in (("GET", path), ("POST", path), ("DELETE", f"/links/{home.link}")):
        options = {"json": body} if method == "POST" else {}
        assert home.rig.knock(method, where, role="therapist", sites=["south"], **options).status_code == 404
        assert home.rig.knock(method, where, role="billing", **options).status_code == 403
    assert home.rig.knock("DELETE", f"/links/{uuid4()}").status_code == 404
    home.rig.ask("POST", path, role="reception", sites=["north"], json=body, status=201)


def test_a_programme_has_few_links_and_an_ended_one_gets_none(home):
    """Twenty addresses of one programme are a mistake; what has ended is not handed out."""
    for _ in range(19):
        home.invite()
    path, body = f"/programmes/{home.programme}/links", {"request": str(uuid4())}
    assert "20 links" in home.rig.ask("POST", path, json=body, status=409)["detail"]
    home.rig.ask("DELETE", f"/links/{home.link}", status=204)
    home.invite()
    home.turn("end")
    assert "has ended" in home.rig.ask("POST", path, json=body, status=409)["detail"]


def test_an_erased_patient_s_links_lead_nowhere(home):
    """What is erased is gone on every telephone."""
    home.rig.clinic_event("patient.erased", patient=home.patient)
    assert home.get().status_code == 410


def test_a_link_that_asks_without_end_waits(home):
    """One link of a script does not take the service from all other patients."""
    _, other = home.invite()
    answers = [home.get() for _ in range(61)]
    assert {one.status_code for one in answers[:60]} == {200}
    assert answers[60].status_code == 429
    assert answers[60].json()["retry_after_s"] <= 3
    assert "nichts verloren" in answers[60].json()["detail_de"]
    assert home.get(other).status_code == 200


def test_a_report_of_pain_waits_for_no_pace(home):
    """Whatever asked too often by the same link, it hurts now: the report locks and is told at once."""
    for _ in range(62):
        home.get()
    assert home.post(home.entry("session", {"seconds": 60})).status_code == 429
    report = home.entry("pain", {"pain_nrs": 7, "where": "back"}, "bridge")
    assert home.send(report)["accepted"] == [report["id"]]
    assert home.get().status_code == 429


def test_a_pace_comes_back_with_time():
    """Whoever waited as long as was said is answered."""
    at_s = [0.0]
    pace = Pace(10, 60, lambda: at_s[0])
    pace.spend("a", 10)
    with pytest.raises(TooMany) as refusal:
        pace.spend("a", 3)
    at_s[0] += refusal.value.more["retry_after_s"]
    pace.spend("a", 3)
    pace.spend("b", 10)
