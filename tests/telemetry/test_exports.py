"""Every export read back by a reader that is not ours: the very samples, and nobody's name."""

import csv
import io
from dataclasses import replace

import edfio
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from fhir.resources.R4B.observation import Observation
from simulated_session import BOOT, PATIENT, SESSION, STARTED_NS, simulated

from services.telemetry.archive.models import BIT, BITS, PHASE, PHASES, UNMEASURED, VALUES, Run
from services.telemetry.archive.runs import tension_runs
from services.telemetry.errors import NotExportable, UnknownFormat
from services.telemetry.exports.edf import FRACTION, LABELS
from services.telemetry.exports.formats import FORMATS, format_of
from services.telemetry.exports.models import Recorded, times_us


def recorded(runs, **more):
    """A session of these runs."""
    about = {"session": SESSION, "patient": PATIENT, "region": "lumbar", "segment": "L4/L5"}
    return Recorded("north", "bed-01", BOOT, runs, **{**about, **more})


@pytest.fixture(scope="module")
def whole():
    """A simulated session, everything stored."""
    session = simulated(minutes=3.0)
    return recorded(tension_runs(session.tension), events=[orjson.loads(event) for event in session.events()])


@pytest.fixture(scope="module")
def torn():
    """The same with three blocks lost: one in the middle, two at different lengths behind it."""
    blocks = simulated(minutes=3.0).tension
    return recorded(
        tension_runs([block for number, block in enumerate(blocks) if number not in (50, 117, 118)])
    )


LOST = slice(4000, 4600)  # of ``blind``: the load cell's
SILENT = slice(5000, 5100)


@pytest.fixture(scope="module")
def blind(whole):
    """The same with the load cell lost for 12 s, and the line to the bed for 2 s."""
    (run,) = whole.runs
    bits = np.zeros(run.count, np.int32)
    bits[LOST] = BIT["tension_n"] | BIT["residual_n"]
    bits[SILENT] = BIT["tension_n"] | BIT["residual_n"] | BIT["position_mm"]
    return recorded([replace(run, columns={**run.columns, UNMEASURED: bits})])


@pytest.fixture(params=["whole", "torn"])
def session(request):
    """Both."""
    return request.getfixturevalue(request.param)


def written(form, what):
    """The whole file."""
    return b"".join(FORMATS[form].write(what))


def column(what, name):
    """All samples of a column as they were published."""
    return np.concatenate([run.values(name) for run in what.runs])


def seqs(what):
    """The seq of every sample."""
    return np.concatenate([np.arange(run.first, run.after) for run in what.runs])


def assert_table_equals(table, what):
    """Every column of a table, bit for bit."""
    assert np.array_equal(table["seq"].to_numpy(), seqs(what))
    for name in VALUES:
        assert np.array_equal(table[name].to_numpy(), column(what, name)), name
    assert table[PHASE].to_pylist() == [PHASES[code] for code in column(what, PHASE).astype(int)]
    times = np.concatenate([times_us(run) for run in what.runs])
    assert np.array_equal(table["time"].cast(pa.int64()).to_numpy(), times)


def test_parquet_has_the_very_samples_in_physical_units(session):
    """Read by pyarrow; DuckDB and pandas read the same file."""
    table = pyarrow.parquet.read_table(io.BytesIO(written("parquet", session)))
    assert_table_equals(table, session)
    field = table.schema.field("target_n")
    assert field.metadata == {b"unit": b"N", b"decimals": b"2"}
    counts = np.rint(table["target_n"].to_numpy() * 100).astype(int)
    assert np.array_equal(counts, np.concatenate(session.counts("target_n")[1]))


def test_parquet_says_whose_samples_these_are(torn):
    """A file that was passed on must still tell its session, and what it lacks."""
    about = pyarrow.parquet.read_schema(io.BytesIO(written("parquet", torn))).metadata
    assert about[b"spondyl.session"] == str(SESSION).encode()
    assert about[b"spondyl.missing_samples"] == b"30"


def test_an_arrow_stream_has_the_very_samples(session):
    """The browser and notebooks read it as it comes."""
    assert_table_equals(pa.ipc.open_stream(written("arrow", session)).read_all(), session)


def test_csv_has_the_very_samples(session):
    """A float written in its shortest form is the same float when it is read."""
    table = pyarrow.csv.read_csv(io.BytesIO(written("csv", session)))
    times = table["time"].cast(pa.timestamp("us", tz="UTC"))
    assert_table_equals(table.set_column(1, "time", times), session)


def assert_nothing_but_the_unmeasured_is_missing(what, numbers_of):
    """``numbers_of`` is what a file has of a column, None where it has nothing."""
    run = what.runs[0]
    for name in VALUES:
        lost = np.zeros(run.count, bool)
        lost[SILENT] = name != "target_n"
        lost[LOST] = name in ("tension_n", "residual_n")
        found = numbers_of(name)
        assert [number is None for number in found] == lost.tolist(), name
        expected = run.values(name)[~lost]
        assert [number for number in found if number is not None] == pytest.approx(expected, abs=1e-9)


def test_parquet_and_arrow_have_no_value_where_nobody_measured(blind):
    """A lost load cell's 0 N is no tension: a program that takes the mean must not count it."""
    table = pyarrow.parquet.read_table(io.BytesIO(written("parquet", blind)))
    for read in (table, pa.ipc.open_stream(written("arrow", blind)).read_all()):
        assert_nothing_but_the_unmeasured_is_missing(blind, lambda name, read=read: read[name].to_pylist())
    assert table.schema.metadata[b"spondyl.unmeasured_samples"] == b"700"
    assert table.schema.metadata[b"spondyl.missing_samples"] == b"0"


def test_csv_has_an_empty_cell_where_nobody_measured(blind):
    """As every spreadsheet and every reader of CSV takes it."""
    rows = list(csv.DictReader(io.StringIO(written("csv", blind).decode())))
    assert_nothing_but_the_unmeasured_is_missing(
        blind, lambda name: [None if row[name] == "" else float(row[name]) for row in rows]
    )


def test_fhir_has_an_e_where_nobody_measured(blind):
    """SampledData's word for no valid value; the note says how many there are."""
    found = Observation.model_validate_json(written("fhir", blind))
    sampled = {part.code.text: part.valueSampledData for part in found.component if part.code.text in VALUES}
    assert_nothing_but_the_unmeasured_is_missing(blind, lambda name: [
        None if word == "E" else int(word) * float(sampled[name].factor)
        for word in sampled[name].data.split(" ")
    ])  # fmt: skip
    assert [note.text for note in found.note] == ["700 samples have no measured tension; they are marked E"]


def test_edf_says_for_how_long_what_was_not_measured(blind):
    """The format has no empty sample: without the annotation a flat line would look measured."""
    notes = edfio.read_edf(written("edf", blind)).annotations
    assert [(note.onset, note.duration, note.text) for note in notes if "measured" in note.text] == [
        (pytest.approx(80.0), pytest.approx(12.0), "not measured: Tension, Residual"),
        (pytest.approx(100.0), pytest.approx(2.0), "not measured: Tension, Position, Residual"),
    ]


def test_edf_has_the_very_counts(session):
    """Read by edfio; the digital values are the archive's integers."""
    file = edfio.read_edf(written("edf", session))
    signals = {signal.label: signal for signal in file.signals}
    for name, label in LABELS.items():
        value = signals[label].data
        if label + FRACTION in signals:
            value = np.floor(value + 1e-6) + signals[label + FRACTION].data
        decimals, counts = session.counts(name)
        found = np.rint(value * 10**decimals).astype(int)
        assert np.array_equal(found, np.concatenate(counts)), name
    assert [signals[LABELS[name]].physical_dimension for name in VALUES] == ["N", "N", "mm", "N"]
    assert file.is_continuous == (not session.gaps)


def test_edf_tells_phases_guardings_and_gaps_where_they_are(whole, torn):
    """A reader of biosignals scrolls from annotation to annotation."""
    notes = edfio.read_edf(written("edf", whole)).annotations
    holds = [note for note in notes if note.text == "hold"]
    in_hold = column(whole, PHASE) == PHASES.index("hold")
    assert sum(note.duration for note in holds) == pytest.approx(in_hold.sum() * 0.02)
    assert holds[0].onset == pytest.approx(int(in_hold.argmax()) * 0.02)
    assert {"session.started", "session.completed"} <= {note.text for note in notes}
    gaps = [note for note in edfio.read_edf(written("edf", torn)).annotations if "missing" in note.text]
    assert [(note.onset, note.duration, note.text) for note in gaps] == [
        (pytest.approx(10.0), pytest.approx(0.2), "10 samples missing"),
        (pytest.approx(23.4), pytest.approx(0.4), "20 samples missing"),
    ]


def test_every_edf_record_behind_a_gap_begins_when_its_samples_were_taken(torn):
    """Padding a gap, or closing it, would move every later sample."""
    data = written("edf", torn)
    head, records, rows = int(data[184:192]), int(data[236:244]), int(data[252:256])
    samples = [int(data[256 + rows * 216 + 8 * row :][:8]) for row in range(rows)]
    size = 2 * sum(samples)
    onsets = []
    for record in range(records):
        text = data[head + record * size :][:size][-2 * samples[-1] :]
        onsets.append(float(text.partition(b"\x14")[0]))
    firsts = [first for run in torn.runs for first in range(run.first, run.after, samples[0])]
    assert len(data) == head + records * size
    assert onsets == pytest.approx([(first - torn.first) * 0.02 for first in firsts])
    assert data[192:197] == b"EDF+D"


def test_edf_names_nobody(whole):
    """EDF+ writes an anonymous patient as four X."""
    file = edfio.read_edf(written("edf", whole))
    assert file.local_patient_identification == "X X X X"
    assert file.recording.hospital_administration_code == SESSION.hex
    assert str(file.startdatetime) == "2026-11-22 08:00:00"


def run_of(values, decimals, first=0):
    """A run whose every column counts these."""
    counts = np.array(values, dtype=np.int64)
    columns = dict.fromkeys(VALUES, counts) | {PHASE: np.full(len(counts), 5, np.int64)}
    return Run(
        first, 20.0, ((first, STARTED_NS // 1000 + 250_000),), columns, dict.fromkeys(VALUES, decimals)
    )


@pytest.mark.parametrize("values", [
    [0, 78_000, -4_000, 65_535, 1], [-200_000, 200_000], [-32_768, 32_767], [7], list(range(-53, 0)),
])  # fmt: skip
def test_a_range_beyond_16_bits_becomes_two_signals_of_the_same_sum(values):
    """780 N to the hundredth is more than an EDF sample holds: it must be neither cut nor rounded."""
    what = recorded([run_of(values, 2)])
    signals = {signal.label: signal for signal in edfio.read_edf(written("edf", what)).signals}
    value = signals["Target"].data
    if "Target" + FRACTION in signals:
        value = np.rint(value) + signals["Target" + FRACTION].data
    assert np.rint(value * 100).astype(int).tolist() == values


def test_an_edf_that_begins_within_a_second_says_so():
    """The head knows whole seconds; the first record's onset has the rest."""
    file = edfio.read_edf(written("edf", recorded([run_of([1, 2, 3], 2)])))
    assert file.startdatetime.microsecond == 250_000


def test_fhir_is_an_r4_observation_with_the_very_samples(session):
    """The R4B models of fhir.resources refuse an unknown field, a wrong type or a missing one."""
    found = Observation.model_validate_json(written("fhir", session))
    assert len(found.component) == 5
    for component, name in zip(found.component, (*VALUES, PHASE), strict=True):
        sampled = component.valueSampledData
        decimals, counts = session.counts(name)
        assert float(sampled.factor) == 10.0**-decimals
        assert float(sampled.period) == 20.0
        numbers = [None if word == "E" else int(word) for word in sampled.data.split(" ")]
        assert len(numbers) == session.after - session.first
        assert [number for number in numbers if number is not None] == np.concatenate(counts).tolist()
        missing = [session.first + row for row, number in enumerate(numbers) if number is None]
        assert missing == [seq for first, after in session.gaps for seq in range(first, after)]


def test_fhir_knows_a_random_id_a_device_and_a_time(whole):
    """Nothing more of the patient leaves telemetry."""
    found = Observation.model_validate_json(written("fhir", whole))
    assert found.subject.identifier.value == f"urn:uuid:{PATIENT}"
    assert found.subject.display is None
    assert found.device.identifier.value == "north/bed-01"
    length = found.effectivePeriod.end - found.effectivePeriod.start
    assert length.total_seconds() == pytest.approx(len(simulated(minutes=3.0).samples) * 0.02)
    assert found.id == str(SESSION)


@pytest.mark.parametrize("form", ["edf", "fhir"])
def test_a_column_that_no_integer_holds_is_refused_by_a_format_of_integers(form):
    """Rounding in silence is what no export may do."""
    bits = np.array([0.1234567, 2.0]).view(np.int64)
    what = recorded([run_of(bits, BITS)])
    with pytest.raises(NotExportable, match=r"tension_n .* more than 3 decimals: .* parquet, arrow and csv"):
        written(form, what)
    assert pyarrow.parquet.read_table(io.BytesIO(written("parquet", what)))["tension_n"].to_pylist() == [
        0.1234567,
        2.0,
    ]


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_session_without_samples_is_refused(form):
    """An empty file looks like a session in which nothing happened."""
    with pytest.raises(NotExportable, match="has no samples"):
        FORMATS[form].write(recorded([]))


def test_an_unknown_format_is_refused_with_those_that_there_are():
    """What, the value, and what would do."""
    with pytest.raises(UnknownFormat, match="'xlsx' is none: parquet, arrow, csv, edf, fhir"):
        format_of("xlsx")
