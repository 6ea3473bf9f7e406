import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from archive_rig import SESSION
from sqlalchemy import delete
from telemetry.archive.kept_archive import flip, objects_of, path_of

from services.cli import main
from services.telemetry.archive.tables import EXPORTS, GAPS, OBJECTS
from services.telemetry.models import Entry

README = Path(__file__).parents[3] / "services/telemetry/README.md"


@pytest.fixture
def rig(kept):
    """One session and idle time around it, under a data directory."""
    return kept


def test_a_whole_archive_is_found_whole(archive):
    """Every object, every block, every number; a named gap is no hole."""
    status, report = archive("verify")
    assert (status, report["ok"], report["objects"], report["samples"]) == (0, True, 3, 2900)
    assert report["faults"] == report["missing"] == report["orphans"] == []


DAMAGES = {
    "a flipped bit": (flip, "SHA-256|checksum"),
    "a truncated file": (lambda path: path.write_bytes(path.read_bytes()[:-7]), "bytes, recorded"),
    "a missing file": (lambda path: path.unlink(), "no object"),
    "an empty file": (lambda path: path.write_bytes(b""), "0 bytes"),
    "another object's content": (lambda path: path.write_bytes(_other(path)), "bytes, recorded"),
}


def _other(path):
    return next(one for one in path.parent.glob("*.spa") if one != path).read_bytes()


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_named(rig, archive, tmp_path, name):
    """Disks rot in ten years; the exit status tells a script, the path tells a person."""
    damage, said = DAMAGES[name]
    damage(path_of(rig, tmp_path))
    status, report = archive("verify")
    assert status == 1
    (fault,) = report["faults"]
    assert fault["path"] == objects_of(rig)[1].path
    assert any(word in fault["fault"] for word in said.split("|"))


def test_a_hole_in_the_index_is_found(rig, archive):
    """A row that somebody deleted is as bad as a file."""
    with rig.archive.index.write() as connection:
        connection.execute(delete(OBJECTS).where(OBJECTS.c.id == objects_of(rig)[0].id))
        connection.execute(delete(GAPS))
    status, report = archive("verify")
    assert status == 1
    found = {(row["stream"], row["first"], row["last"]) for row in report["missing"]}
    assert {("tension", 0, 999), ("tension", 2000, 2099)} <= found
    assert len(report["orphans"]) == 1


def test_what_nobody_knows_is_told_and_is_no_fault(rig, archive):
    """A killed archiver may leave an object that is archived again under another cut."""
    rig.archive.store.put("north/bed-01/2026/11/stray.spa", b"left")
    status, report = archive("verify")
    assert (status, report["orphans"]) == (0, ["north/bed-01/2026/11/stray.spa"])


def test_what_could_not_be_read_is_named_and_is_no_fault(rig, archive, capsys):
    """It is kept byte for byte and its numbers are a named gap; a person has to learn where to look."""
    rig.keep([Entry("tension", rig.source, 3000, 3050, b"no block"), *rig.tension(3050, 1950)])
    rig.turn(hurry=True)
    capsys.readouterr()  # what the archiver logged
    status, report = archive("verify")
    assert (status, report["ok"], report["missing"]) == (0, True, [])
    (stray,) = report["strays"]
    assert (stray["site"], stray["device"], stray["boot"]) == ("north", "bed-01", str(rig.source.boot))
    assert (stray["stream"], stray["first"], stray["last"], stray["bytes"]) == ("tension", 3000, 3049, 8)
    assert stray["reason"]


def test_the_archive_tells_what_it_holds(rig, archive):
    """For the person who buys the disks."""
    status, body = archive("status")
    assert (status, body["objects"], body["sessions"], body["expired"]) == (0, 3, 1, 0)
    assert body["sites"][0]["site"] == "north"
    status, page = archive("list", "--limit", 2)
    assert [row["path"] for row in page["objects"]] == [row.path for row in objects_of(rig)[:2]]
    _, rest = archive("list", "--limit", 2, "--after", page["next_after"])
    assert [row["path"] for row in rest["objects"]] == [objects_of(rig)[2].path]
    assert rest["next_after"] is None


def test_the_list_names_the_session_of_each_object_to_a_person(archive, capsys, tmp_path):
    """It is where the id comes from that `spondyl replay` and `spondyl export` ask for."""
    with pytest.raises(SystemExit):
        main(["archive", "list", "--data", str(tmp_path / "var")])
    head, *rows = capsys.readouterr().out.splitlines()
    assert "session" in head.split()
    assert [row.split()[3] for row in rows].count(str(SESSION)) == 1
    assert [row.split()[3] for row in rows].count("-") == 2


def test_an_export_stands_by_itself(rig, archive, tmp_path):
    """Objects, rows and checksums of all: readable without the index."""
    status, body = archive("export", tmp_path / "out", "--by", "auditor")
    assert (status, body["objects"], body["sessions"]) == (0, 3, 1)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert set(manifest["objects"]) == {row.path for row in objects_of(rig)}
    for path in manifest["objects"]:
        exported = tmp_path / "out/objects" / path
        assert exported.read_bytes() == (tmp_path / "var/telemetry/archive" / path).read_bytes()
    (session,) = map(json.loads, (tmp_path / "out/index/sessions.json").read_text().splitlines())
    assert session["id"] == str(SESSION)
    status, said = archive("export", tmp_path / "out")
    assert status == 1
    assert "another directory" in said


def test_one_session_is_exported_alone(archive, tmp_path):
    """A patient asks for a copy of his record (BGB § 630g)."""
    status, body = archive("export", tmp_path / "one", "--session", SESSION)
    assert (status, body["objects"], body["sessions"]) == (0, 1, 1)


def test_any_question_is_answered_in_sql(archive):
    """Statistics over ten years without writing a program."""
    status, body = archive(
        "query", "SELECT phase, count(*) AS n, max(tension_n) AS most FROM samples GROUP BY phase"
    )
    assert (status, body["columns"], body["rows"]) == (0, ["phase", "n", "most"], [["hold", 2900, 199.9]])
    _, body = archive("query", "SELECT session FROM sessions JOIN objects USING (session)")
    assert body["rows"] == [[str(SESSION)]]
    _, body = archive("query", "SELECT count(*) FROM samples a JOIN samples b USING (seq)")
    assert body["rows"] == [[2900]]


def test_an_answer_may_hold_anything(archive):
    """Times with their zone, nothing at all, two columns of one name, lists."""
    _, body = archive("query", "SELECT min(time) AS a, max(time) AS a, NULL AS b, [1, 2] AS c FROM samples")
    assert body["columns"] == ["a", "a_1", "b", "c"]
    assert body["rows"] == [["2026-11-22 08:00:00+00:00", "2026-11-22 08:00:59.980000+00:00", None, [1, 2]]]
    _, none = archive("query", "SELECT seq FROM samples WHERE seq < 0")
    assert (none["columns"], none["rows"], none["next_offset"]) == (["seq"], [], None)


def test_long_answers_come_in_pages(archive):
    """An answer of millions of rows must not fill the memory or the screen."""
    question = "SELECT seq FROM samples ORDER BY seq"
    _, page = archive("query", question, "--limit", 10, "--offset", 1995)
    assert [row[0] for row in page["rows"]] == [*range(1995, 2000), *range(2100, 2105)]
    assert page["next_offset"] == 2005
    _, last = archive("query", question, "--limit", 10, "--offset", 2895)
    assert (len(last["rows"]), last["next_offset"]) == (5, None)


FORBIDDEN = [
    "DROP TABLE sessions",
    "SELECT 1; DELETE FROM sessions",
    "INSERT INTO sessions SELECT * FROM sessions",
    "COPY samples TO 'stolen.csv'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "ATTACH 'x.db'",
    "SET enable_external_access = true",
    "PRAGMA database_list",
    "INSTALL httpfs",
    "SELEKT 1",
    "SELECT nothing FROM sessions",
    "",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_sql_only_reads_and_only_the_archive(rig, archive, sql):
    """No file, no network, no writing, and one line that says why."""
    status, said = archive("query", sql)
    assert status == 1
    assert said.startswith("spondyl: ")
    assert len(objects_of(rig)) == 3


def test_no_archive_is_one_line_and_none_is_made(tmp_path, capsys):
    """A typing mistake in --data must not leave an empty archive that looks like a lost one."""
    with pytest.raises(SystemExit) as ended:
        main(["archive", "verify", "--data", str(tmp_path / "typo")])
    assert ended.value.code == 1
    assert "there is no archive under" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_an_export_is_recorded_with_who_and_what(rig, archive, tmp_path):
    """Who took copies of patients' data is asked for by the law."""
    archive("export", tmp_path / "out", "--by", "auditor")
    with rig.archive.index.read() as connection:
        (row,) = connection.execute(EXPORTS.select())
    assert (row.exported_by, row.objects) == ("auditor", 3)


def test_a_date_with_a_zone_is_taken_in_its_zone(rig, archive):
    """Hours decide what is exported, and what is deleted."""
    ends = [row.ended_at_us for row in objects_of(rig)]
    moment = datetime.fromtimestamp(max(ends) / 1e6, UTC) + timedelta(hours=1)
    _, behind = archive("list", "--since", moment.isoformat())
    elsewhere = moment.astimezone(timezone(timedelta(hours=-5)))
    _, same = archive("list", "--since", elsewhere.isoformat())
    assert behind["objects"] == same["objects"] == []
    _, all_of_them = archive("list", "--before", elsewhere.isoformat())
    assert len(all_of_them["objects"]) == len(ends)


def test_a_page_says_that_there_is_more_and_holds_no_number_that_json_has_not(rig, tmp_path, capsys):
    """A person who sees a thousand rows must not take them for all; a program reads strict JSON."""

    def query(*arguments):
        with pytest.raises(SystemExit):
            main(["archive", "query", *arguments, "--data", str(tmp_path / "var")])
        return capsys.readouterr()

    cut = query("select seq from samples", "--limit", "2")
    assert len(cut.out.splitlines()) == 3
    assert "--offset 2" in cut.err
    body = json.loads(
        query("select 'NaN'::double a, 1.5::double b", "--json").out, parse_constant=pytest.fail
    )
    assert body["rows"] == [[None, 1.5]]


def test_data_cannot_write_on_the_terminal_or_pretend_to_be_a_row(rig, tmp_path, capsys):
    """A segment's name was typed by somebody; an escape sequence in it must be seen, not obeyed."""
    question = "select 'L4' || chr(27) || '[2J' || chr(10) || chr(9) || 'ü °' as \"a\tb\", 1 as c"
    with pytest.raises(SystemExit):
        main(["archive", "query", question, "--data", str(tmp_path / "var")])
    assert capsys.readouterr().out == "a\\tb\tc\nL4\\x1b[2J\\n\\tü °\t1\n"


def test_every_column_that_can_be_asked_for_is_documented(archive):
    """Who asks in SQL must not have to read the program first."""
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README.read_text(), re.MULTILINE))
    for table in ("sessions", "objects", "samples"):
        _, described = archive("query", f"FROM {table} LIMIT 0")
        assert re.findall(r"`(\w+)`", documented[table]) == described["columns"]


def test_one_is_not_said_as_many(rig, tmp_path, capsys):
    """Small things of the language make a report worth believing."""
    rig.archive.store.put("north/bed-01/2026/11/stray.spa", b"left over")
    with pytest.raises(SystemExit):
        main(["archive", "verify", "--data", str(tmp_path / "var")])
    assert "0 damaged or gone, 0 holes, 1 orphan, 0 strays" in capsys.readouterr().out


def test_a_long_export_says_how_far_it_is(rig, archive, tmp_path, capsys, monkeypatch):
    """A night's work without a word looks like one that hangs."""
    monkeypatch.setattr("services.telemetry.archive.commands.PROGRESS_S", 0.0)
    with pytest.raises(SystemExit):
        main(["archive", "export", str(tmp_path / "out"), "--data", str(tmp_path / "var")])
    assert "3 of 3 objects" in capsys.readouterr().err


def test_a_question_leaves_nothing_but_its_answer(rig, tmp_path):
    """Complaints of a library about the process's end would bury the answer."""
    command = [sys.executable, "-m", "services.cli", "archive", "query", "select count(*) from samples"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "var")], check=True, capture_output=True, text=True
    )
    assert (done.stdout.split(), done.stderr) == (["count_star()", "2900"], "")


@pytest.mark.parametrize(("bucket", "said"), [("nobody", "no such bucket"), ("archive", "does not answer")])
def test_a_store_that_is_wrong_or_hangs_is_one_line_at_once(archive, s3, monkeypatch, bucket, said):
    """Neither every object called gone nor a minute and a half of silence."""
    monkeypatch.setenv("SPONDYL_ARCHIVE_URL", s3.url.replace("archive", bucket))
    monkeypatch.setenv("SPONDYL_ARCHIVE_S3_ACCESS_KEY", s3.access_key)
    monkeypatch.setenv("SPONDYL_ARCHIVE_S3_SECRET_KEY", s3.secret_key)
    if bucket == "archive":
        s3.freeze()
    began = time.monotonic()
    status, told = archive("verify")
    assert time.monotonic() - began < 10
    assert status == 1
    assert said in told
    assert len(told.strip().splitlines()) == 1
