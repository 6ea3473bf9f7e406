import json
import os
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_streams import rows, whole_session

from services.controller.blackbox.recording import Recordings, Unreadable, read
from services.controller.kernel.tuning import PARAMETER_NAMES
from services.controller.recorder.blocks import blackbox_payload

BOOT = UUID(int=7)


def lines():
    """Three chunks of one session."""
    times, samples = rows(*whole_session())
    return [
        blackbox_payload(BOOT, 20.0, times[first:last], samples[first:last], UUID(int=3))
        for first, last in ((0, 100), (100, 200), (200, len(samples)))
    ]


def written(tmp_path, chunks):
    recordings = Recordings(tmp_path)
    for chunk in chunks:
        recordings.append(UUID(int=3), chunk)
    return recordings.path(UUID(int=3))


def test_a_recording_reads_back_in_order_with_repeated_chunks_once(tmp_path):
    """A recorder killed between file and commit writes a chunk twice."""
    first, second, third = lines()
    chunks = read(written(tmp_path, [first, second, second, third]))
    assert [chunk.message.seq for chunk in chunks] == [0, 100, 200]


@pytest.mark.parametrize("cut", [1, 150, 100_000], ids=["newline", "end", "all but a little"])
def test_a_chunk_cut_short_by_a_full_disk_costs_only_itself(tmp_path, cut):
    """Half an hour of a treatment must not become unreadable by one line of it."""
    first, second, third = (
        chunk[:-1] + b" " * 150_000 + b"}" for chunk in lines()
    )  # longer than one look back
    path = written(tmp_path, [first, second])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - cut)
    Recordings(tmp_path).append(UUID(int=3), third)
    assert [chunk.message.seq for chunk in read(path)] == [0, 200]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _: b"", "has no chunks"),
        (lambda text: text[:-200], "cut short"),
        (lambda text: b"garbage\n" + text, ":1: no black-box chunk"),
        (lambda text: text.replace(b'"period_ms":20.0', b'"period_ms":NaN', 1), "period_ms"),
        (lambda text: text.replace(b'"count":100', b'"count":99', 1), "has 100 of 99 samples"),
        (lambda text: b"\xff\xfe" + text, ":1: no black-box chunk"),
        (lambda text: text.replace(b'"force_dn":[0', b'"force_dn":[1', 1), "checksum"),
        (lambda text: text.replace(b'"force_dn":[0', b'"force_dn":[3000000000', 1), "range of int32"),
        (lambda text: text.replace(b'"force_dn":[0', b'"force_dn":[' + b"9" * 30, 1), "force_dn"),
        (lambda text: text.replace(b"000000000007", b"000000000008", 1), ":2: boot"),
        (lambda text: text + text.split(b"\n")[0].replace(b'"session_no":0', b'"session_no":4') + b"\n",
         "differs from line 1"),
    ],
)  # fmt: skip
def test_a_spoiled_recording_is_refused_by_name(tmp_path, spoil, words):
    """A recording that cannot be trusted must not be replayed as if it could, one without seals neither."""
    path = tmp_path / "unsealed.jsonl"
    path.write_bytes(spoil(b"".join(line + b"\n" for line in lines())))
    with pytest.raises(Unreadable, match=words):
        read(path)


@pytest.mark.requirement("replay")
@given(data=st.data())
def test_every_flipped_bit_of_a_recording_is_found(sealed_recording, tmp_path_factory, data):
    """Not of the samples alone: of parameters, actions, times and of the seals themselves."""
    place = data.draw(st.integers(0, len(sealed_recording) - 1), label="byte")
    bit = data.draw(st.integers(0, 7), label="bit")
    text = bytearray(sealed_recording)
    text[place] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.jsonl"
    path.write_bytes(text)
    with pytest.raises(Unreadable):
        read(path)


@pytest.fixture(scope="module")
def sealed_recording(tmp_path_factory):
    """Two chunks as a gateway writes them, the first with parameters."""
    times, samples = rows(*whole_session())
    parameters = [float(number) for number in range(len(PARAMETER_NAMES))]
    pieces = ((0, 30, parameters), (30, 60, None))
    chunks = [
        blackbox_payload(BOOT, 20.0, times[first:last], samples[first:last], UUID(int=3), taken)
        for first, last, taken in pieces
    ]
    path = written(tmp_path_factory.mktemp("sealed"), chunks)
    assert [chunk.message.count for chunk in read(path)] == [30, 30]
    return path.read_bytes()


def test_a_line_that_lost_its_seal_is_refused_alone_too(tmp_path):
    """A seal that no longer reads as one must not make its line an old one."""
    path = written(tmp_path, lines()[:1])
    path.write_bytes(path.read_bytes().replace(b'"line_crc32"', b'"line_csc32"'))
    with pytest.raises(Unreadable, match=":1: the line was changed"):
        read(path)


def test_a_missing_recording_is_refused_by_name(tmp_path):
    """The path is what a person has to mend."""
    with pytest.raises(Unreadable, match=r"none\.jsonl cannot be read: No such file"):
        read(tmp_path / "none.jsonl")


def test_recordings_stay_below_their_size_and_age(tmp_path):
    """A gateway's disk is small, and the spool needs it more."""
    recordings = Recordings(tmp_path)
    now = 2_000_000_000  # later than any clock of ours, so that age does not matter at first
    for number in range(5):
        recordings.append(UUID(int=number), json.dumps("x" * 1000).encode())
        os.utime(recordings.path(UUID(int=number)), (now + number, now + number))
    recordings = Recordings(tmp_path, max_bytes=2500, max_age_s=1000)
    recordings.rotate(lambda _: True)
    assert sorted(path.stem for path in tmp_path.iterdir()) == [str(UUID(int=number)) for number in (3, 4)]
    os.utime(recordings.path(UUID(int=3)), (1, 1))
    recordings.rotate(lambda _: True)
    assert [path.stem for path in tmp_path.iterdir()] == [str(UUID(int=4))]
    assert not recordings.remove_oldest(lambda _: True)
