"""Lock-free rings in shared memory: one writer each, ordered by atomic stores and loads.

``store_release`` and ``load_acquire`` compile to plain moves on x86 and to stlr / ldar on ARM, the fences to
nothing and to dmb. A reader that sees a count therefore sees what it counts.
"""
# ruff: noqa: ARG001  (numba prescribes the parameters of an intrinsic and of its code generator)

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from services.controller.kernel.compiled import scalar
from services.controller.kernel.memory import (
    BUCKET_BITS,
    BUCKETS,
    BUCKETS_PER_OCTAVE,
    H_MAX,
    H_SUM,
    T_MONOTONIC,
    T_REALTIME,
    T_TICK,
    W_CLAIM,
    W_HEAD,
)


def _word_pointer(context, builder, array_type, array, index):
    """Address of one element of an int64 vector."""
    struct = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, struct, [index], wraparound=False)


@intrinsic
def store_release(typing_context, words, index, value):
    """words[index] = value; everything stored before is seen by whoever loads it with acquire."""

    def generate(context, builder, signature, arguments):
        array, where, what = arguments
        pointer = _word_pointer(context, builder, signature.args[0], array, where)
        builder.store_atomic(what, pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), generate


@intrinsic
def load_acquire(typing_context, words, index):
    """words[index]; nothing behind it is read before."""

    def generate(context, builder, signature, arguments):
        array, where = arguments
        pointer = _word_pointer(context, builder, signature.args[0], array, where)
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(words, types.intp), generate


@intrinsic
def fence_release(typing_context):
    """Nothing stored behind it is seen before what was stored ahead of it."""

    def generate(context, builder, signature, arguments):
        builder.fence("release")
        return context.get_dummy_value()

    return types.void(), generate


@scalar
def push(words, times, samples, tick, monotonic_ns, realtime_ns, sample):
    """Write one tick (int32[SAMPLES, beds]) into the ring and publish it.

    ``claim`` is raised first, so that a reader knows when it copied a slot that was being written over
    (Boehm, "Can seqlocks get along with programming language memory models?", 2012).
    """
    slot = tick & (times.shape[0] - 1)
    store_release(words, W_CLAIM, tick + 1)
    fence_release()
    times[slot, T_TICK] = tick
    times[slot, T_MONOTONIC] = monotonic_ns
    times[slot, T_REALTIME] = realtime_ns
    samples[slot, :, :] = sample
    store_release(words, W_HEAD, tick + 1)


@scalar
def bucket(duration_ns):
    """Histogram bucket of a duration: BUCKETS_PER_OCTAVE linear steps an octave."""
    value = max(duration_ns, 0)
    octave = 0
    while value >> octave >= 2 * BUCKETS_PER_OCTAVE:
        octave += 1
    if value < BUCKETS_PER_OCTAVE:
        return value
    return min((octave << BUCKET_BITS) + (value >> octave), BUCKETS - 1)


@scalar
def count(histogram, duration_ns):
    """Add one duration (ns) to a histogram row."""
    histogram[bucket(duration_ns)] += 1
    histogram[H_MAX] = max(histogram[H_MAX], duration_ns)
    histogram[H_SUM] += duration_ns
