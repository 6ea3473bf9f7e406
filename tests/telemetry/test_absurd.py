"""Every route of the generated OpenAPI with absurd parameters: a refusal in words, never a failure."""

import itertools
from urllib.parse import quote
from uuid import UUID

import pytest
from history_rig import HistoryRig
from servers import Valkey
from simulated_session import BOOT, SESSION

pytestmark = pytest.mark.system
ABSURD = (
    "", "0", "-1", "1e400", "NaN", "Infinity", "9" * 400, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59",
    "2026-02-30T00:00:00Z", "2026-11-22T08:00:00", "x" * 10_000, "'; DROP TABLE archive_sessions; --",
    "%00", "\x00", "../../etc/passwd", "{north/bed-01}", "*", "٣", "²", "💥", str(UUID(int=0)), "null", "[]",
    "true", str(2**53), str(2**63), str(2**64),
)  # fmt: skip
PATHS = {"device": "bed-01", "session": str(SESSION)}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A session, half in Redis and half in the archive."""
    directory = tmp_path_factory.mktemp("absurd")
    with Valkey(directory) as valkey:
        rig = HistoryRig(valkey.url, directory, minutes=1.0)
        yield rig.store("half")
        rig.close()


def questions(document):
    """(path, parameters) of every route with every absurd value in every place, one at a time."""
    for path, operations in document["paths"].items():
        parameters = operations["get"].get("parameters", [])
        for parameter, value in itertools.product(parameters, ABSURD):
            filled = dict(PATHS)
            query = {"format": "csv"} if path.endswith("export") else {}
            if path.endswith("devices/{device}/window"):
                query |= {"from": "0", "to": "100"}
            if parameter["in"] == "path":
                filled[parameter["name"]] = quote(value, safe="") or "%20"
            elif parameter["in"] == "query":
                query[parameter["name"]] = value
            yield path.format(**filled), query


def refused_in_words(answer):
    """Problem+json that says something."""
    kind = answer.headers["content-type"]
    return kind == "application/problem+json" and len(answer.json()["detail"]) > 5


def test_no_parameter_of_any_route_makes_it_fail(stored):
    """A 500 is a fault of ours, whatever was asked."""
    document = stored.get("/openapi.json").json()
    asked = list(questions(document))
    assert len(asked) > 1000
    wrong = []
    for path, query in asked:
        answer = stored.get(path, params=query)
        fine = answer.status_code in (200, 404, 409, 422) and (
            answer.status_code == 200 or refused_in_words(answer)
        )
        if not fine or len(answer.content) > 10**7:
            wrong.append((path[:80], str(query)[:120], answer.status_code, answer.text[:200]))
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/devices/bed-01/window?from=0", "a window needs from and to"),
        (f"/sessions?cursor={10**30}.{SESSION}", "use the next_cursor of the page before"),
        ("/sessions?site=no%00rth", "query.site"),
        ("/statistics?site=no%00rth", "query.site"),
        ("/devices/bed-01/window?from=10&to=10", "to is 10: it must be above from, which is 10"),
        ("/devices/bed-01/window?from=0&to=2026-11-22T08:00:00Z", "both are times, or both are seqs"),
        ("/devices/bed-01/window?from=-1&to=10", "from is '-1': neither a seq nor a time"),
        ("/devices/bed-01/window?from=0&to=9007199254740993", "a seq is below 9007199254740991"),
        ("/devices/bed-01/window?from=0&to=600000", "holds 600000 samples: at most 500000 at once as json"),
        ("/devices/bed-01/window?from=9999-01-01T00:00:00Z&to=9999-01-02T00:00:00Z", "from 1970 to 2999"),
        ("/devices/bed-01/window?from=2026-11-22T08:00:00&to=2026-11-22T09:00:00Z", "a time needs its zone"),
        (
            "/devices/bed-01/window?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z",
            "59 days wide",
        ),
        (
            "/devices/bed-01/window?from=2026-03-01T00:00:00Z&to=2026-01-01T00:00:00Z",
            "be later than from",
        ),
        ("/devices/bed-01/window?from=0&to=10&format=xml", "format 'xml' is none: json, arrow, csv"),
        ("/devices/bed-01/window?from=0&to=10&points=NaN", "query.points"),
        ("/devices/bed-01/window?from=0&to=10&points=5", "query.points"),
        (f"/devices/{'x' * 10_000}/window?from=0&to=10", "device 'xxxxxxxxxx"),
        (f"/sessions/{SESSION}/export?format=xlsx", "format 'xlsx' is none: parquet"),
        (f"/sessions/{SESSION}/export", "query.format"),
        ("/devices/bed-01/blocks?from=0&seconds=1", "no parameter 'from': it takes boot, last, points"),
    ],
)
def test_a_refusal_says_what_the_value_and_the_limit(stored, path, words):
    """Who asked wrongly can ask rightly."""
    answer = stored.get(path)
    assert answer.status_code in (404, 422)
    assert words in answer.json()["detail"]
    assert len(answer.text) < 2000


def test_no_route_passes_over_what_it_was_asked_by_a_name_that_it_does_not_have(stored):
    """`/blocks?from=` answered everything, as if that had been asked for."""
    document = stored.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        if path in ("/livez", "/readyz"):
            continue
        parameters = operations["get"].get("parameters", [])
        known = sorted(it["name"] for it in parameters if it["in"] == "query")
        answer = stored.get(path.format(**PATHS), params={"nonsense": "1"})
        assert answer.status_code == 422, path
        assert answer.json()["type"] == "urn:spondyl:problem:unknown-parameter"
        assert (
            f"GET {path} has no parameter 'nonsense': it takes {', '.join(known) or 'none'}, says"
            in (answer.json()["detail"])
        )


def test_a_window_of_a_boot_that_never_was_is_empty(stored):
    """No boot of that name has a sample: that is an answer."""
    answer = stored.get(f"/devices/bed-01/window?from=0&to=10&boot={UUID(int=0)}")
    assert (answer.status_code, answer.json()["segments"]) == (200, [])
    assert stored.get(f"/devices/bed-01/window?from=0&to=10&boot={BOOT}").json()["segments"][0]["count"] == 10
