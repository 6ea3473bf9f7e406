import numpy as np
import pytest

from services.controller.simulation import signals
from services.kit.errors import SpondylError

HZ = 1000.0


def bump(seconds=1.0, hz=HZ, rest_s=0.5):
    """A raised cosine between two rests, peak 1."""
    time = np.arange(round(seconds * hz)) / hz
    rest = np.zeros(round(rest_s * hz))
    return np.concatenate([rest, 0.5 - 0.5 * np.cos(2 * np.pi * time / seconds), rest])


@pytest.mark.parametrize("hz", [100.0, 500.0, 1000.0, 2000.0])
def test_the_onset_of_a_burst_is_a_tenth_of_its_peak(hz):
    """Latency is counted from here, at whatever rate the file was recorded."""
    (burst,) = signals.bursts(bump(hz=hz), hz)
    onset_s = 0.5 + np.arccos(1 - 2 * 0.1) / (2 * np.pi)
    assert burst.first / hz == pytest.approx(onset_s, abs=1.5 / hz)
    assert burst.peak == pytest.approx(1.0, abs=0.01)


def test_each_burst_has_its_own_peak_and_onset():
    """One row a burst: a small one beside a large one is neither lost nor measured by the other's peak."""
    force = np.concatenate([bump(0.4), 0.4 * bump(0.6), bump(0.5)])
    found = signals.bursts(force, HZ)
    assert [round(burst.peak, 1) for burst in found] == [1.0, 0.4, 1.0]
    assert found[1].first / HZ == pytest.approx(1.4 + 0.5 + 0.6 * np.arccos(0.8) / (2 * np.pi), abs=0.002)


def test_a_short_dip_does_not_cut_a_burst():
    """Recorded contractions wobble."""
    time = np.arange(1000) / HZ
    wobbling = bump(1.0)
    wobbling[500:1500] *= 0.75 + 0.25 * np.cos(2 * np.pi * 6 * time)
    assert len(signals.bursts(wobbling, HZ)) == 1


def test_ripple_below_a_tenth_is_no_burst():
    """The rest of a recording is not guarding."""
    force = bump(1.0) + 0.05 * (1 + np.sin(np.arange(2000) / 20.0)) / 2
    assert len(signals.bursts(force, HZ)) == 1
    assert signals.bursts(np.zeros(100), HZ) == []


def test_emg_becomes_a_smooth_force_that_is_zero_at_rest():
    """The muscle pulls where its EMG is loud, some tens of milliseconds later."""
    noise = np.random.default_rng(1).normal(size=6000)
    emg = 2048 + 3 * noise + np.where((np.arange(6000) > 2000) & (np.arange(6000) < 3000), 60 * noise, 0.0)
    force = signals.force_of_emg(emg, HZ)
    (burst,) = signals.bursts(force, HZ)
    assert 2.0 < burst.first / HZ < 2.06
    assert 3.0 < burst.last / HZ < 3.4
    assert force[:1900].max() < 0.06 * burst.peak


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("1\n2.5\n-3e1\n", [1, 2.5, -30]),
        ("# emg_adc\n# 1000 Hz\n\n1\n2\n", [1, 2]),
        ("force_n\n1\n2\n", [1, 2]),
        ("time_s,force_n\n0,1\n0.001,2\n", [1, 2]),
        ("0.0\t1\r\n0.1\t2\r\n", [1, 2]),
        ("\ufeff1\n2", [1, 2]),
    ],
    ids=["plain", "comments", "header", "time", "tabs", "mark"],
)
def test_files_as_people_write_them_are_read(tmp_path, content, values):
    """A checker brings a file of their own."""
    path = tmp_path / "signal.csv"
    path.write_text(content, encoding="utf-8")
    assert signals.read_signal(path).tolist() == values


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "0 numbers"),
        (b"1\n", "1 numbers"),
        (b"1\nnan\n2\n", ":2: not a finite"),
        (b"1\n2\ninf\n", ":3: not a finite"),
        (b"1\n2\nthree\n", ":3: 'three' is not a number"),
        (b"time force\nin seconds\n1\n2\n", ":2: 'in seconds' is not a number"),
        (b"1,5\n1,7\n1,2\n", "no time that grows"),
        (b"1,2\n3\n", ":2: 1 columns"),
        (b"1,2,3\n1,2,3\n", "3 columns"),
        (b"\xff\xfe1\x00\n", "UTF-8"),
        (b"\x00\x01\x02\n", "is not a number"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path, content, told):
    """What, and where; never a trace back."""
    path = tmp_path / "signal.csv"
    path.write_bytes(content)
    with pytest.raises(SpondylError) as refusal:
        signals.read_signal(path)
    assert told in refusal.value.message
    assert str(path) in refusal.value.message
    assert "\n" not in refusal.value.message


def test_a_file_without_end_and_one_that_is_none_are_refused(tmp_path):
    """An endless file must not fill the memory."""
    with pytest.raises(SpondylError, match="directory"):
        signals.read_signal(tmp_path)
    with pytest.raises(SpondylError, match="No such file"):
        signals.read_signal(tmp_path / "absent.csv")
    endless = tmp_path / "zero"
    endless.symlink_to("/dev/zero")
    with pytest.raises(SpondylError, match="larger than"):
        signals.read_signal(endless)


def test_every_recorded_file_holds_its_contractions():
    """The library of contractions stands on these three."""
    from services.controller.beds.simulated import LIBRARY_FILES, SIGNALS

    counts = {}
    for name in LIBRARY_FILES:
        counts[name] = len(signals.bursts(signals.force_of_emg(signals.read_signal(SIGNALS / name), HZ), HZ))
    assert counts["emg_bursts_1000hz.csv"] == 9
    assert counts["emg_three_bursts_1000hz.csv"] == 3
    assert counts["emg_long_1000hz.csv"] >= 3
