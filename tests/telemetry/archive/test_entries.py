from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.archive.entries import HotEntries, HotEntry
from services.telemetry.models import MAX_SEQ

entries = st.lists(
    st.builds(
        lambda first, count, payload, lane, odd: HotEntry(
            first, first + count, payload, "tension", lane, b"odd" if odd else b"%d-1" % first, "flaw" * odd
        ),
        st.integers(0, 50) | st.just(MAX_SEQ) | st.just(2**64), st.integers(1, 9), st.binary(max_size=20),
        st.sampled_from(["stream", "late", "strays"]), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@given(entries)
def test_every_entry_is_found_again_as_it_was(given_entries):
    """Its bytes go into the archive, its id takes it out of Redis: none of both may change."""
    found = HotEntries(given_entries)
    assert sorted(found) == sorted(given_entries)
    assert found.flawed is any(entry.flaw for entry in given_entries)


@given(entries, st.integers(0, 12), st.integers(0, 12))
def test_a_part_holds_the_same_entries_as_the_same_part_of_a_list(given_entries, first, after):
    """What is taken and what stays must be told apart by place."""
    found = HotEntries(given_entries)
    part = found[first:after]
    assert list(part) == list(found)[first:after]
    assert part.spans.tolist() == found.spans[first:after].tolist()
    assert part.flawed is any(entry.flaw for entry in part)


def test_they_are_in_order_of_their_numbers():
    """Late ones lie in a lane of their own, behind the others."""
    rows = [HotEntry(n, n + 10, b"", "tension", "stream", b"%d-1" % n) for n in (20, 0, 10)]
    assert HotEntries(rows).spans.tolist() == [[0, 10], [10, 20], [20, 30]]
    assert [entry.first for entry in HotEntries(rows)] == [0, 10, 20]


def test_an_entry_as_ingest_writes_it_costs_no_object_of_its_own():
    """Thousands of small objects of a session would hold on to memory long after it is archived."""
    rows = HotEntries(HotEntry(n, n + 1, b"{}", "event", "stream", b"%d-1" % n) for n in range(100))
    assert not rows._table.odd
