"""Buckets are exact, fall together whatever they are made of, and are few."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.telemetry.archive import codec, pyramid, zoom
from services.telemetry.archive.models import BIT, BITS, PHASE, UNMEASURED, VALUES, Run
from services.telemetry.errors import Corrupt


def _run(first, count, *, bits=False, seed=1, unmeasured=None):
    chance = np.random.default_rng(seed)
    counts = chance.integers(-20_000, 20_000, count)
    columns = {name: counts + number for number, name in enumerate(VALUES)}
    decimals = dict.fromkeys(VALUES, 2) | {PHASE: 0}
    if bits:
        columns["residual_n"] = (counts / 7).view(np.int64)
        decimals["residual_n"] = BITS
    columns[PHASE] = np.arange(count) % 15
    if unmeasured is not None:
        columns[UNMEASURED] = np.array(unmeasured)
    return Run(first, 20.0, ((first, 0),), columns, decimals)


SPANS = (st.integers(0, 10_000), st.integers(1, 5_000), st.sampled_from([1, 2, 8, 128, 1024]), st.booleans())


@given(*SPANS)
@settings(deadline=None)
def test_every_bucket_is_what_its_samples_say(first, count, stride, bits):
    """Against plain loops over the samples of each."""
    run = _run(first, count, bits=bits)
    buckets = pyramid.reduce(run, stride)
    groups = [
        slice(max(edge, first) - first, min(edge + stride, first + count) - first)
        for edge in range(first // stride * stride, first + count, stride)
    ]
    for name in VALUES:
        values = run.values(name)
        assert buckets.minimum(name).tolist() == [values[rows].min() for rows in groups]
        assert buckets.maximum(name).tolist() == [values[rows].max() for rows in groups]
        assert buckets.mean(name) == pytest.approx([values[rows].mean() for rows in groups], abs=1e-9)
    assert buckets.phase.tolist() == [run.columns[PHASE][rows][0] for rows in groups]
    assert buckets.sizes.tolist() == [rows.stop - rows.start for rows in groups]


@given(*SPANS)
@settings(deadline=None)
def test_buckets_come_back_from_their_block(first, count, stride, bits):
    """They are kept by the same codec."""
    buckets = pyramid.reduce(_run(first, count, bits=bits), stride)
    back = pyramid.from_run(codec.decode(codec.encode_block(pyramid.to_run(buckets))))
    assert (back.first, back.count, back.stride, back.times) == (first, count, stride, buckets.times)
    for name in VALUES:
        assert back.minimum(name).tolist() == buckets.minimum(name).tolist()
        assert back.maximum(name).tolist() == buckets.maximum(name).tolist()
        assert back.mean(name).tolist() == buckets.mean(name).tolist()
    assert back.phase.tolist() == buckets.phase.tolist()


def _holes(count):
    """Bits of samples that nobody measured, in stretches as a fault has them."""
    stretch = st.tuples(st.integers(1, 400), st.sampled_from([0, BIT["tension_n"], 15 - BIT["target_n"]]))
    pieces = st.lists(stretch, min_size=1, max_size=12)
    return pieces.map(lambda rows: np.resize([bits for length, bits in rows for _ in range(length)], count))


HOLED = st.tuples(*SPANS).flatmap(lambda span: st.tuples(st.just(span), _holes(span[1])))


@given(HOLED)
@settings(deadline=None)
def test_a_bucket_goes_by_its_measured_samples_alone(drawn):
    """A lost load cell's zeros would be the least of every bucket they are in."""
    (first, count, stride, bits), holes = drawn
    run = _run(first, count, bits=bits, unmeasured=holes)
    buckets = pyramid.reduce(run, stride)
    back = pyramid.from_run(codec.decode(codec.encode_block(pyramid.to_run(buckets))))
    groups = np.split(np.arange(count), buckets.edges[1:-1] - first)
    for name in VALUES:
        known = [run.values(name)[rows][holes[rows] & BIT[name] == 0] for rows in groups]
        for one in (buckets, back):
            assert one.measured(name).tolist() == [part.size for part in known]
            for found, of in ((one.minimum, np.min), (one.maximum, np.max), (one.mean, np.mean)):
                expected = [of(part) if part.size else np.nan for part in known]
                assert found(name) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(HOLED, st.integers(0, 3))
@settings(deadline=None)
def test_buckets_of_buckets_are_those_of_the_samples(drawn, power):
    """A window is put together of pieces with and without a lost sensor."""
    (first, count, stride, bits), holes = drawn
    run = _run(first, count, bits=bits, unmeasured=holes)
    half = max(1, count // 2)
    plain = _run(first, count, bits=bits).slice(first, first + half)
    holes[:half] = 0
    pieces = [plain] + ([run.slice(first + half, first + count)] if half < count else [])
    (found,) = zoom.glue((pyramid.reduce(piece, stride) for piece in pieces), stride << power)
    whole = pyramid.reduce(_run(first, count, bits=bits, unmeasured=holes), stride << power)
    for name in VALUES:
        assert found.measured(name).tolist() == whole.measured(name).tolist()
        assert found.minimum(name) == pytest.approx(whole.minimum(name), nan_ok=True)
        assert found.maximum(name) == pytest.approx(whole.maximum(name), nan_ok=True)
        assert found.mean(name) == pytest.approx(whole.mean(name), abs=1e-9, nan_ok=True)


def test_more_unmeasured_samples_than_a_bucket_has_are_refused():
    """A mean of fewer than no samples would be one of the wrong sign."""
    run = pyramid.to_run(pyramid.reduce(_run(0, 1000, unmeasured=np.full(1000, 15)), 128))
    columns = run.columns | {"tension_n.unmeasured": run.columns["tension_n.unmeasured"] + 1}
    with pytest.raises(Corrupt, match="more of it was not measured than there is"):
        pyramid.from_run(replace(run, columns=columns))


@given(st.integers(0, 10**9), st.integers(1, 10**7), st.integers(2, 4000))
def test_a_curve_has_at_most_as_many_buckets_as_points(first, count, points):
    """And more than a quarter of them, so that the picture stays sharp."""
    stride = pyramid.stride_for(count, points)
    buckets = len(pyramid.edges(first, first + count, stride)) - 1
    assert buckets <= points
    assert stride == 1 or buckets * 4 > points


def test_half_an_hour_at_800_pixels_is_read_from_the_pyramid():
    """The case that the level was chosen for: 90 000 samples."""
    stride = pyramid.stride_for(90_000, 800)
    assert stride == min(pyramid.STRIDES) == 128
    assert len(pyramid.edges(0, 90_000, stride)) - 1 == 704


@pytest.mark.parametrize(
    ("true", "lie"),
    [
        (b'"stride":128', b'"strides":128'),
        (b'"samples":1000', b'"samples":5000'),
        (b'"stride":128', b'"stride":0'),
        (b'"first":0', b'"first":1e99'),
        (b'"times":[[0,0]]', b'"times":[]'),
        (b"{", b""),
    ],
)
def test_buckets_that_contradict_themselves_are_refused(true, lie):
    """A note under a right checksum may still lie."""
    run = pyramid.to_run(pyramid.reduce(_run(0, 1000), 128))
    assert true in run.note
    with pytest.raises(Corrupt):
        pyramid.from_run(replace(run, note=run.note.replace(true, lie)))
