"""Finding a patient as somebody types it, among names in any script and birth dates in any form."""

from datetime import date

import pytest
from screening.screening_rig import ScreeningRig

from services.kit.database import reading
from services.screening.patients.folding import birth_dates, dates_in, fold
from services.screening.patients.searching import alike, search

PEOPLE = (
    ("Müller", "Jürgen", "1961-04-03"),
    ("Mueller", "Anna", "1970-12-31"),
    ("Meyer-Landrut", "Ulrike", "1955-02-28"),
    ("Weiß", "Søren", "1988-08-08"),
    ("Ștefănescu", "Ioana", "1990-05-17"),
    ("Иванова", "Ольга", "1977-07-07"),
    ("محمد", "علي", "1980-01-02"),
    ("李", "明", "1999-09-09"),
    ("O'Neill", "Siobhán", "1949-10-01"),
)


@pytest.fixture(scope="module")
def everybody(tmp_path_factory):
    """All of PEOPLE at north, and one namesake at south."""
    rig = ScreeningRig(tmp_path_factory.mktemp("everybody"))
    for family, given, born in PEOPLE:
        rig.patient(family_name=family, given_name=given, birth_date=born)
    rig.patient("south", family_name="Müller", given_name="Jürgen", birth_date="1930-01-01")
    yield rig
    rig.close()


@pytest.mark.parametrize(
    ("typed", "family"),
    [
        ("müller jürgen", "Müller"),
        ("Jürgen Müller", "Müller"),
        ("muller jurgen", "Müller"),
        ("Mueler, Jürgn", "Müller"),
        ("jürg mül", "Müller"),
        ("3.4.61", "Müller"),
        ("03.04.1961 mueller", "Müller"),
        ("1961-04-03", "Müller"),
        ("meier landrut", "Meyer-Landrut"),
        ("weiss soren", "Weiß"),
        ("Stefanesku", "Ștefănescu"),
        ("Иваноа", "Иванова"),
        ("محمد", "محمد"),
        ("李", "李"),
        ("oneil siobhan", "O'Neill"),
        ("31/12/1970", "Mueller"),
        ("31. Dezember 1970", "Mueller"),
    ],
)
def test_whom_one_means_is_the_first_found(everybody, typed, family):
    """A desk with a queue before it types quickly and not twice."""
    found = everybody.ask("GET", "/patients", sites=("north",), params={"q": typed})
    assert [row["family_name"] for row in found][:1] == [family], found


def test_nobody_is_found_where_nobody_is_meant(everybody):
    """A list of strangers would be read as an answer, and shown to whoever stands before the desk."""
    for typed in ("Xylophon Quark", "1.1.1900", "%", "_", "'; DROP TABLE patient", "\N{PILE OF POO}"):
        assert everybody.ask("GET", "/patients", params={"q": typed}) == [], typed


def test_only_files_of_ones_own_sites_are_found_or_listed(everybody):
    """A namesake of another clinic is none of this desk's business."""
    for question in ({"q": "müller jürgen"}, {}, {"q": "1.1.1930"}):
        rows = everybody.ask("GET", "/patients", role="reception", sites=("north",), params=question)
        assert {row["site"] for row in rows} <= {"north"}


def test_the_list_goes_on_page_by_page_and_shows_everybody_once(everybody):
    """A page by position would show one twice when a file is opened meanwhile."""
    seen, cursor = [], ""
    while True:
        answer = everybody.client().get("/patients", params={"limit": 3, "cursor": cursor})
        seen += [row["patient"] for row in answer.json()]
        cursor = answer.headers.get("spondyl-next-cursor", "")
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == len(PEOPLE) + 1
    assert everybody.client().get("/patients", params={"cursor": "x"}).status_code == 422


def test_a_search_works_on_postgresql_as_on_sqlite(either):
    """The index of letters is plain SQL."""
    either.patient(family_name="Zimmermann", given_name="Jörg")
    assert [row["given_name"] for row in either.ask("GET", "/patients", params={"q": "zimerman jorg"})] == [
        "Jörg"
    ]


def test_a_merged_file_leads_to_the_one_that_took_its_place(rig):
    """Who was registered by a maiden name is found by it, and one is told why."""
    old, new = rig.patient(family_name="Kowalski"), rig.patient(family_name="Brandt")
    rig.ask("POST", f"/patients/{old}/merge", json={"into": new, "reason": "verheiratet"})
    found = rig.ask("GET", "/patients", params={"q": "Kowalsky"})
    assert [(row["patient"], row["through"]) for row in found] == [(new, "Kowalski, Erika")]


def test_an_id_finds_its_file_alone(everybody):
    """From a label, a log or a topic."""
    with reading(everybody.engine) as connection:
        row = search(connection, None, "Иванова")[0].row
        assert [hit.row["id"] for hit in search(connection, None, row["id"])] == [row["id"]]
        assert search(connection, frozenset({"south"}), row["id"]) == []


@pytest.mark.parametrize(
    ("typed", "days"),
    [
        ("3.4.61", {date(1961, 4, 3), date(1961, 3, 4)}),
        ("03041961", {date(1961, 4, 3), date(1961, 3, 4)}),
        ("19610403", {date(1961, 4, 3)}),
        ("April 3, 1961", {date(1961, 4, 3)}),
        ("3 März 1961", {date(1961, 3, 3)}),
        ("29.2.2001", set()),
        ("31.12.2999", set()),
        ("29.2.2000", {date(2000, 2, 29)}),
    ],
)
def test_a_birth_date_is_read_however_it_is_written(typed, days):
    """Impossible and future days are none."""
    assert birth_dates(typed) == days


def test_a_date_in_a_query_is_taken_out_of_the_name():
    """The rest is the name."""
    days, rest = dates_in("anna 3.4.61 müller")
    assert (date(1961, 4, 3) in days, fold(rest)) == (True, "anna muller")


def test_names_that_are_nearer_count_more():
    """The order of the list is the order of likeness."""
    name = fold("Mustermann Erika")
    ranks = [alike(fold(it), name) for it in ("mustermann erika", "musterman erka", "mutserman", "meier")]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[-1] < 65 < ranks[1]
