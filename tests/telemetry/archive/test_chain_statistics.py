"""Questions over the chain, against sums by hand."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from access import GUARD, header, somebody
from asgi_client import Client

from services.kit.http import create_app
from services.telemetry.api import create_router
from services.telemetry.archive import registry
from services.telemetry.archive.index import Index
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import NOTHING, Commit, SessionRow
from services.telemetry.archive.stores import open_store
from services.telemetry.models import Place, Source
from services.telemetry.query import History
from services.telemetry.settings import TelemetrySettings
from services.telemetry.statistics import GROUPS, MEASURES
from services.telemetry.trail import ReadTrail

START = datetime(2026, 1, 1, 8, tzinfo=UTC)
SITES = ("east", "north", "south")


def session(number):
    """Of three sites in turn, one a day; every fifth is aborted, the last has no summary."""
    at = round((START + timedelta(days=number)).timestamp() * 1e6)
    said = {"peak_n": 300.0 + number, "traction_s": 1800.0, "guardings": number % 3, "hold_mean_n": 280.0,
            "hold_rms_n": 1.0, "cycles": 10, "heat_s": 0.0, "pain_before": 6, "pain_after": 4}  # fmt: skip
    return SessionRow(
        UUID(int=number + 1), Place(SITES[number % 3], "bed-01"), at, region="lumbar", segment="L4/L5",
        patient=UUID(int=number % 7), cure=UUID(int=number % 7), ended_at_us=at + 1,
        ended_by="session.aborted" if number % 5 == 0 else "session.completed",
        summary=None if number == 59 else said,
        statistics={"peak_n": 1.0, "samples": 90_000, "missing": 10, "holds": 11, "creep_mm": 0.5,
                    "creep_mm_min": 0.1},
    )  # fmt: skip


def add(index, rows):
    """As the archiver commits them."""
    source = Source(Place("north", "bed-01"), uuid4())
    assert index.commit(Commit(source, NOTHING, NOTHING, sessions=rows))


@pytest.fixture(params=["sqlite", "postgresql"])
def chain(request, tmp_path):
    """An API over an index of sixty sessions."""
    url = f"sqlite:///{tmp_path}/archive.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database()
    index = Index(url)
    add(index, [session(number) for number in range(60)])
    archive = Archive(index, open_store(f"file://{tmp_path}/objects"))
    trail = ReadTrail(TelemetrySettings(data=tmp_path, archive_database_url=url))
    app = create_app("telemetry", "0", (), [create_router(History(None, archive), trail)], guard=GUARD)
    yield Client(app, header()), index
    trail.close()
    index.close()


def ask(client, **parameters):
    """Rows, and the next cursor."""
    answer = client.get("/statistics", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"], answer.json()["next_cursor"]


def test_sites_are_counted_and_averaged(chain):
    """The gateway's figure counts; where it gave none, the measured one."""
    rows, following = ask(chain[0], group_by="site", measures=",".join(MEASURES))
    assert ([row["site"] for row in rows], following) == (list(SITES), None)
    south = rows[2]
    numbers = range(2, 60, 3)
    assert (south["sessions"], south["aborted"]) == (20, len([n for n in numbers if n % 5 == 0]))
    assert south["completed"] == 20 - south["aborted"]
    assert south["peak_n_max"] == 300 + 56
    assert south["peak_n_mean"] == pytest.approx(
        (sum(300 + n for n in numbers if n != 59) + 1) / 20, abs=0.01
    )
    assert south["traction_h"] == 19 * 0.5
    assert south["guardings"] == sum(n % 3 for n in numbers if n != 59)
    assert (south["samples"], south["missing_samples"]) == (20 * 90_000, 200)
    assert (south["cycles"], south["holds"]) == (190, 220)  # finished, said by 19 gateways; begun, measured
    assert (south["pain_change"], south["creep_mm"], south["patients"]) == (-2.0, 0.5, 7)


def test_a_caller_counts_the_sessions_of_its_own_sites_and_no_others(chain):
    """Whatever it groups by, and also where it asks for another site by name."""
    whole = {row["site"]: row for row in ask(chain[0])[0]}

    def of(*sites, **parameters):
        token = header(somebody("billing", *sites))
        answer = chain[0].get("/statistics", params=parameters, headers=token)
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"]

    assert of("north") == [whole["north"]]
    assert of("north", "east") == [whole["east"], whole["north"]]
    assert of("north", site="south") == of("north", site="atlantis") == of("atlantis") == []
    assert sum(row["sessions"] for row in of("south", "north", group_by="week", measures="sessions")) == 40


def test_pages_are_all_rows_once_and_in_order(chain):
    """By key: what is archived meanwhile moves no row from one page to the next."""
    client, index = chain
    whole, _ = ask(client, group_by="month,site", limit=1000)
    paged, cursor = ask(client, group_by="month,site", limit=2)
    add(index, [session(0), session(1)])
    while cursor:
        rows, cursor = ask(client, group_by="month,site", limit=2, cursor=cursor)
        assert len(rows) <= 2
        paged += rows
    assert paged == whole
    assert [row["month"] for row in whole] == ["2026-01"] * 3 + ["2026-02"] * 3 + ["2026-03"]


def test_what_is_archived_later_is_counted_by_the_next_question(chain):
    """Nobody restarts a service to see yesterday."""
    client, index = chain
    assert ask(client, measures="sessions", site="east")[0][0]["sessions"] == 20
    add(index, [session(60), session(61)])
    assert ask(client, measures="sessions", site="east")[0][0]["sessions"] == 21


def test_a_time_is_half_open(chain):
    """January and February add up to the two months."""
    year, months = "2027-01-01T00:00:00Z", ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]
    one, two = (
        ask(chain[0], group_by="year", measures="sessions", since=since, until=until)[0][0]["sessions"]
        for since, until in zip(months, [months[1], year], strict=True)
    )
    assert (one, two) == (31, 29)


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_adds_up_to_all_sessions(chain, group):
    """No session falls between two groups."""
    rows, _ = ask(chain[0], group_by=group, measures="sessions")
    assert sum(row["sessions"] for row in rows) == 60


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"group_by": "site; DROP TABLE sessions"},
            "'site; DROP TABLE sessions' is none: site, device",
        ),
        ({"group_by": "1"}, "group_by '1' is none"),
        ({"group_by": ""}, "group_by names 0: from 1 to 3"),
        ({"group_by": "site,device,month,year"}, "group_by names 4: from 1 to 3"),
        ({"measures": "count(*)"}, "measures 'count(*)' is none"),
        ({"cursor": "nonsense"}, "cursor 'nonsense' is none of this question"),
        ({"cursor": "WzFd"}, "is none of this question"),
        ({"limit": 0}, "query.limit"),
        ({"since": "yesterday"}, "since is 'yesterday': not a time as 2026"),
    ],
)
def test_a_name_that_is_none_never_reaches_sql(chain, parameters, words):
    """What, the value and what would do."""
    answer = chain[0].get("/statistics", params=parameters)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_text_of_a_request_is_a_value_and_never_sql(chain):
    """A site of this name has no sessions, and the table stands."""
    assert ask(chain[0], site="x' OR '1'='1") == ([], None)
    assert len(ask(chain[0])[0]) == 3


def test_sessions_that_have_expired_are_counted_no_more(chain):
    """What was let go after ten years is in no figure, without a restart."""
    client, index = chain
    assert ask(client, group_by="year", measures="sessions")[0][0]["sessions"] == 60
    with index.write() as connection:
        registry.bury(connection, [], [session(number).id for number in range(20)], 0, "a test")
    assert ask(client, group_by="year", measures="sessions")[0][0]["sessions"] == 40
