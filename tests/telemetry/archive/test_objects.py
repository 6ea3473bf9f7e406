"""An object is read as it was built, or refused in words: never half, never with a crash."""

import struct
from zlib import crc32

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from telemetry.archive.make_runs import BOOT, block, chunk, event, wave

from services.telemetry.archive import codec, objects
from services.telemetry.archive.models import VALUES
from services.telemetry.archive.objects import Directory
from services.telemetry.archive.runs import blackbox_runs, tension_runs
from services.telemetry.archive.totals import totals
from services.telemetry.errors import Corrupt

ROWS = wave(600)


def _sections(**more):
    runs = tension_runs([block(seq, ROWS[seq : seq + 10]) for seq in range(0, 600, 10) if seq != 300])
    boxes = blackbox_runs([chunk(seq, {"force_dn": list(range(50))}) for seq in range(0, 200, 50)])
    return objects.Sections("nord", "bed-1", BOOT, runs, boxes, [event(3), event(0), event(1)], **more)


DATA, DIRECTORY = objects.build(_sections())


def test_the_directory_says_where_everything_lies():
    """A reader fetches a block by it alone."""
    assert objects.verify(DATA, DIRECTORY) == Directory.load(DIRECTORY.dump()) == DIRECTORY
    assert DIRECTORY.spans("tension") == [(0, 300), (310, 600)]
    assert DIRECTORY.spans("event") == [(0, 2), (3, 4)]
    (entry,) = DIRECTORY.of("tension", 0, 310)
    piece = DATA[entry.offset : entry.offset + entry.length]
    assert objects.run_of(piece, entry, ["target_n"]).values("target_n").tolist() == [
        row[1] for row in ROWS[:300]
    ]
    assert DIRECTORY.of("tension", 300, 310) == []


def test_sums_of_the_directory_are_exact():
    """A mean over ten years may not drift with the order of its sums."""
    found = totals([DIRECTORY.dump()])
    for number, name in enumerate(VALUES):
        column = [row[number] for row in (*ROWS[:300], *ROWS[310:])]
        assert found[name].count == len(column)
        assert (found[name].least, found[name].greatest) == (min(column), max(column))
        assert found[name].sum == pytest.approx(sum(round(value * 100) for value in column) / 100, abs=1e-12)


def test_events_come_back_byte_by_byte():
    """They are kept as they were published."""
    pieces = [objects.events_of(objects.block_of(DATA, entry), entry) for entry in DIRECTORY.of("event")]
    assert [payload for piece in pieces for payload in piece] == [event(index)[1] for index in (0, 1, 3)]


def test_nothing_becomes_no_object():
    """An empty file would be indexed as a span of nothing."""
    with pytest.raises(ValueError, match="nothing"):
        objects.build(objects.Sections("nord", "bed-1", BOOT))


@given(st.integers(0, len(DATA) * 8 - 1))
@settings(deadline=None, max_examples=300)
def test_one_flipped_bit_is_found(bit):
    """Wherever it is: in a block, the directory, the ends."""
    changed = bytearray(DATA)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Corrupt):
        objects.verify(bytes(changed))


@given(st.integers(0, len(DATA) - 1))
@settings(deadline=None)
def test_a_file_cut_short_is_refused(length):
    """A disk that lost its tail."""
    with pytest.raises(Corrupt):
        objects.verify(DATA[:length])


@given(st.binary(max_size=500))
def test_a_foreign_file_is_refused(data):
    """With and without our first and last bytes."""
    for tried in (data, objects.MAGIC + data, objects.MAGIC + data + objects.END_MAGIC):
        with pytest.raises(Corrupt):
            objects.read_directory(tried)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=6))
@settings(deadline=None, max_examples=500)
def test_a_forged_block_is_refused_or_read_but_never_a_crash(place, change):
    """Counts, lengths and planes that lie under a right checksum: no memory is asked for on their word."""
    entry = DIRECTORY.of("tension")[0]
    body = bytearray(objects.block_of(DATA, entry)[8:])
    at = place % len(body)
    body[at : at + len(change)] = change
    forged = codec.MAGIC + struct.pack("<I", crc32(body)) + bytes(body)
    try:
        run = codec.decode(forged)
    except Corrupt:
        return
    assert run.count <= codec.MAX_SAMPLES


@pytest.mark.parametrize(
    "unpack",
    [Directory.load, lambda bomb: codec.decode(_with_plane(bomb))],
    ids=["directory", "plane"],
)
def test_a_bomb_is_refused_before_it_is_unpacked(unpack):
    """A few kilobytes that say they are many megabytes."""
    bomb = zstandard.compress(bytes(objects.MAX_DIRECTORY + 1), 3)
    with pytest.raises(Corrupt, match="at most"):
        unpack(bomb)


def _with_plane(frame):
    """A block of 10 samples whose only plane is this frame."""
    body = struct.pack("<QIdqqIIH", 0, 10, 20.0, 0, 0, 0, 0, 1)
    body += struct.pack("<BBbBB", 1, 4, 0, 0, 1) + b"a" + struct.pack("<I", len(frame)) + frame
    return codec.MAGIC + struct.pack("<I", crc32(body)) + body


@pytest.mark.parametrize(("count", "columns"), [(2**32 - 1, 1), (2**21, 256)])
def test_a_count_without_bytes_behind_it_is_refused(count, columns):
    """Billions of values of zero planes would cost no byte, and all memory."""
    body = struct.pack("<QIdqqIIH", 0, count, 20.0, 0, 0, 0, 0, columns)
    body += (struct.pack("<BBbBB", 1, 8, 0, 0, 0) + b"a") * columns
    with pytest.raises(Corrupt, match="are possible"):
        codec.decode(codec.MAGIC + struct.pack("<I", crc32(body)) + body)


def test_another_directory_than_the_index_has_is_refused():
    """An object that was put in another's place is whole in itself."""
    other = msgspec.structs.replace(DIRECTORY, device="bed-2")
    with pytest.raises(Corrupt, match="index"):
        objects.verify(DATA, other)
    with pytest.raises(Corrupt, match="SHA-256"):
        objects.verify(DATA, DIRECTORY, "0" * 64)


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"index": "a"}'])
def test_what_is_no_event_is_refused(payload):
    """The same for events."""
    with pytest.raises(Corrupt):
        objects.build(objects.Sections("nord", "bed-1", BOOT, events=[(0, payload)]))
