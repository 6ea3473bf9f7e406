"""GDT as files have it: read leniently, written strictly."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli import main
from services.screening.exchange.errors import GdtUnreadable, GdtUnwritable
from services.screening.exchange.gdt.fields import CHARSETS, FIELDS, VERSIONS
from services.screening.exchange.gdt.people import person_of
from services.screening.exchange.gdt.reading import MOST_BYTES, MOST_WARNINGS, read
from services.screening.exchange.gdt.writing import Form, in_lines, text_lines, write

SAMPLES = Path(__file__).parent / "samples" / "gdt"
PATIENT = SAMPLES / "patient_6301_gdt21.gdt"
RESULT = SAMPLES / "device_result_6310.gdt"


def lines(*rows: bytes, end: bytes = b"\r\n") -> bytes:
    """Rows ``FFFFcontent`` with their right lengths."""
    return b"".join(b"%03d" % (len(row) + 5) + row + end for row in rows)


def test_the_specification_s_patient_is_read_without_a_word():
    """What is right must not be warned about, or nobody reads the warnings."""
    found = read(PATIENT.read_bytes())
    (record,) = found.records
    assert (record.kind, found.warnings) == ("6301", [])
    assert [record.first(code) for code in ("3000", "3101", "3102", "3103", "3622", "3623")] == [
        "02345", "Mustermann", "Franz", "01101945", "178", "079",
    ]  # fmt: skip


def test_a_real_result_with_lf_line_ends_is_read_whole():
    """A real converter writes LF and reckons the record's length with CR LF."""
    found = read(RESULT.read_bytes())
    (record,) = found.records
    assert found.warnings == ["line 1: lines do not end with CR LF"]
    assert record.first("8402") == "ECHO01"
    assert "EF: 67.28 %" in record.all("6220")
    assert len(record.values) == len(RESULT.read_bytes().splitlines())


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (b"01380006301\r\n9993101Meier\r\n", "line 2: the length says 999, the line has 14"),
        (b"01380006301\r\n0133101M\xc3\xbcller\r\n", "9206 is missing, but the bytes are UTF-8"),
        (lines(b"80006301", b"3101Meier"), "the record has no 8100"),
        (lines(b"80006301", b"810000099", b"3101Meier"), "8100 says 99 bytes, the record has 41"),
        (lines(b"80006301", b"8100lots", b"3101Meier"), "8100 is 'lots', no number"),
        (lines(b"80006301", b"9999whatever"), "field 9999 is not known here; it is kept as it is"),
        (lines(b"80001234", b"3101Meier"), "record '1234' is not known here"),
        (lines(b"3101Meier", b"80006301"), "field 3101 before any record"),
        (lines(b"80006301") + b"more\r\n", "line 2 does not begin with length and field"),
        (b"nonsense\r\n" + lines(b"80006301"), "line 1 does not begin with length and field: passed over"),
        (b"80006301\r\n" + lines(b"3101Meier"), "line 1: the length is missing"),
        (lines(b"80006301", b"3101Mei\x00er"), "control characters taken out"),
        (lines(b"80006301", b"92061", b"3101M\xfcller"), "9206 is '1', and there are letters beyond ASCII"),
        (lines(b"80006301", b"3101Meier", end=b"\n"), "lines do not end with CR LF"),
        (lines(b"80006301", b"3101Meier", end=b"\r"), "lines do not end with CR LF"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_the_rest_is_read(content, warning):
    """A practice system in the field is not mended because of us."""
    found = read(content)
    assert any(warning in said for said in found.warnings), found.warnings
    assert [record.kind for record in found.records] in (["6301"], ["1234"])


@pytest.mark.parametrize("charset", ["2", "3", "4"])
def test_every_declared_character_set_gives_the_same_name(charset):
    """An umlaut is another byte in each."""
    name = "Müller-Groß"
    content = lines(b"80006301", b"9206" + charset.encode(), b"3101" + name.encode(CHARSETS[charset]))
    assert read(content).records[0].first("3101") == name


@pytest.mark.parametrize("encoding", ["cp437", "iso-8859-1", "utf-8"])
def test_an_undeclared_character_set_is_found_by_its_umlauts(encoding):
    """Files without 9206 are common; which letters they mean can be seen."""
    found = read(lines(b"80006301", b"3101" + "Jäger".encode(encoding)))
    assert found.records[0].first("3101") == "Jäger"
    assert any("9206 is missing" in said for said in found.warnings)


def test_several_records_in_a_file_are_kept_apart():
    """A system may hand over a morning's patients at once."""
    found = read(lines(b"80006301", b"30001") + lines(b"80006302", b"30002"))
    assert [(record.kind, record.first("3000")) for record in found.records] == [("6301", "1"), ("6302", "2")]


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"%PDF-1.7 no GDT", b"8" * (MOST_BYTES + 1)])
def test_what_is_no_gdt_is_refused_in_both_languages(content):
    """Half a patient out of a picture is worse than a refusal."""
    with pytest.raises(GdtUnreadable) as refusal:
        read(content)
    assert set(refusal.value.words) == {"de", "en"}


@given(st.binary(max_size=400))
def test_no_bytes_at_all_bring_the_reader_down(content):
    """Anything may lie in a folder that others write to."""
    try:
        found = read(b"01380006301\r\n" + content)
    except GdtUnreadable:
        return
    assert found.records
    assert len(found.warnings) <= MOST_WARNINGS + 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("charset", ["2", "3"])
def test_what_is_written_is_read_back_without_a_warning(version, charset):
    """The strict writer keeps every rule that the lenient reader knows."""
    finding = text_lines("6220", ["ä" * 130])
    given_lines = [("3000", "02345"), ("3101", "Müßig"), ("6228", "  a  table"), *finding]
    written = write("6310", given_lines, Form(version, charset, "PRAX_EDV", "SPONDYL"))
    found = read(written.content)
    (record,) = found.records
    assert (found.warnings, written.warnings) == ([], ())
    assert record.first("9218") == VERSIONS[version][0]
    assert len(record.first("8100")) == VERSIONS[version][1]
    assert int(record.first("8100")) == len(written.content)
    assert record.all("6220") == ["ä" * 60, "ä" * 60, "ä" * 10]
    assert all(line.endswith(b"\r") for line in written.content.split(b"\n")[:-1])


@given(st.text(max_size=200), st.sampled_from(["1", "2", "3", "4"]))
def test_whatever_a_finding_says_every_length_is_right(text, charset):
    """Lengths count bytes, and a letter that is missing changes none of them in silence."""
    clean = "".join(letter for letter in text if letter.isprintable())
    written = write("6310", text_lines("6220", [clean]), Form(charset=charset))
    found = read(written.content)
    assert not [said for said in found.warnings if "length" in said or "8100" in said]


def test_a_name_in_another_script_is_replaced_visibly_and_said():
    """GDT has no Greek beyond CP437: a question mark can be seen, a dropped letter cannot."""
    written = write("6310", [("3101", "Łukasz")], Form(charset="3"))
    assert b"3101?ukasz\r\n" in written.content
    assert "Ł" in written.warnings[0]


@pytest.mark.parametrize(
    ("code", "content", "said"),
    [
        ("3000", "ß漢", "does not have it"),
        ("3000", "12345678901", "at most 10"),
        ("8402", "TOOLONG", "at most 6"),
        ("6220", "two\r\nlines", "control character"),
        ("7777", "x", "not known here"),
    ],
)
def test_what_gdt_cannot_carry_is_refused(code, content, said):
    """A number with a letter less is another patient's."""
    with pytest.raises(GdtUnwritable, match=said) as refusal:
        write("6310", [(code, content)], Form())
    assert refusal.value.words["de"]


def test_a_record_that_8100_cannot_count_is_refused():
    """Five digits end at 99999 bytes in GDT 2.1; seven do not."""
    long = [("6220", "x" * 60)] * 1500
    with pytest.raises(GdtUnwritable, match=r"8100 of GDT .* has 5 digits"):
        write("6310", long, Form("2.1"))
    assert read(write("6310", long, Form("3.0")).content).warnings == []


def test_text_is_cut_between_words():
    """A reader on the other side sees words, not letters."""
    assert in_lines("one two three", 7) == ["one two", "three"]
    assert in_lines("", 7) == [""]


def test_every_field_has_a_name_of_its_own():
    """`spondyl gdt read` names fields; two of one name could not be told apart."""
    names = [field.name for field in FIELDS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("sample", [PATIENT, RESULT], ids=lambda path: path.stem)
def test_the_command_shows_fields_with_names_and_warnings(sample, capsys):
    """What a technician looks at when two systems do not understand each other."""
    with pytest.raises(SystemExit) as ended:
        main(["gdt", "read", str(sample), "--json"])
    shown = json.loads(capsys.readouterr().out)
    fields = {row["name"]: row["content"] for row in shown["records"][0]["fields"]}
    assert not ended.value.code
    assert fields["birth_date"] in ("01101945", "12031985")
    assert isinstance(shown["warnings"], list)


def of_lines(*said):
    """A record of these lines (field and content), each with its right length."""
    return b"".join(f"{len(one) + 5:03}{one}\r\n".encode() for one in said)


OBJECTS_31 = (
    "80006301", "8200Obj_Kopfdaten", "8315EKG_TYP1", "8316PRAX_PVS", "921803.01", "82015",
    "8200Obj_Patient", "300002345", "3101Mustermann", "3102Franz", "310301101945", "31101", "82017",
    "8200Obj_Basisdiagnostik", "3622178.00", "362379.00", "82014", "820218",
)  # fmt: skip
OBJECTS_35 = (
    "80006302", "8133Kopfdaten_GDT", "8002Obj_0033", "00013.5", "8003Obj_0033",
    "8112Anforderung", "8002Obj_0012", "8147Person", "8002Obj_0047", "3101Doktor", "3102Dora",
    "310301011960", "8003Obj_0047", "8402ALLG00", "8003Obj_0012",
    "8145Patient", "8002Obj_0045", "30004711", "8147Person", "8002Obj_0047", "3101Mustermann", "3102Franz",
    "310301101945", "3110M", "8003Obj_0047", "8003Obj_0045",
    "8169Koerperkenngroessen", "8002Obj_0069", "362379", "8421kg", "8003Obj_0069", "80016302",
)  # fmt: skip


@pytest.mark.parametrize(("said", "number"), [(OBJECTS_31, "02345"), (OBJECTS_35, "4711")])
def test_objects_of_gdt_3_say_whose_a_field_is(said, number):
    """The doctor who asks for an examination is a person, too: their name is not the patient's."""
    found = read(of_lines(*said))
    (record,) = found.records
    person = person_of(record)
    assert (person.number, person.fields["family_name"], person.fields["birth_date"]) == (
        number, "Mustermann", "1945-10-01",
    )  # fmt: skip
    assert (person.fields["sex"], float(person.fields["body_weight_kg"])) == ("male", 79)
    assert [one for one in found.warnings if "object" in one or "not known" in one] == []
    inner = next(value for value in record.values if value.code == "3101")
    assert inner.within in (("Obj_Patient",), ("Obj_0012", "Obj_0047"))


@pytest.mark.parametrize(
    ("said", "warning"),
    [
        (("80006301", "8200Obj_Patient", "3101X"), "does not end"),
        (("80006301", "82013"), "did not begin"),
        (("80006301", "8200Obj_Patient", "3101X", "82019"), "says 9 lines, the object has 3"),
        (("80006301", "8002Obj_0045", "8002Obj_0047", "3101X", "8003Obj_0045"), "before its outer one"),
        (("80006301", "8002Obj_0045", "3101X", "8003Obj_0047", "8003Obj_0045"), "did not begin"),
    ],
)
def test_objects_that_do_not_fit_are_said_and_read_all_the_same(said, warning):
    """Whoever counts lines wrongly must not lose the patient."""
    found = read(of_lines(*said))
    assert any(warning in one for one in found.warnings)
    assert len(found.records) == 1
