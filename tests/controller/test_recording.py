import json
import os
from uuid import UUID

import pytest
from sample_streams import rows, whole_session

from services.controller.blocks import blackbox_payload
from services.controller.recording import Recordings, Unreadable, read

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
    first, second, third = (chunk + b" " * 150_000 for chunk in lines())  # longer than one look back
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
    """A recording that cannot be trusted must not be replayed as if it could."""
    path = written(tmp_path, lines())
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(Unreadable, match=words):
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
    recordings.rotate()
    assert sorted(path.stem for path in tmp_path.iterdir()) == [str(UUID(int=number)) for number in (3, 4)]
    os.utime(recordings.path(UUID(int=3)), (1, 1))
    recordings.rotate()
    assert [path.stem for path in tmp_path.iterdir()] == [str(UUID(int=4))]
    assert not recordings.remove_oldest()
