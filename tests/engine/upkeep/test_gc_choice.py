"""What collecting chooses, for any store: nothing needed, and no more than the budget asks."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Output
from dagrun.engine.store.survey import StoredEntry, StoredFile, Survey
from dagrun.engine.upkeep.gc import Going, choose, everything

NOW = 1_000


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    """Stores of a few entries that share a few blobs, all of some age and size."""
    blobs = {
        name: StoredFile(
            path=Path(name), size=draw(st.integers(1, 50)), used=draw(st.integers(0, NOW))
        )
        for name in "abcdef"
    }
    entries = []
    for number in range(draw(st.integers(0, 6))):
        names = draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=3))
        outputs = {name: Output(codec="c", blob=name, logical="l") for name in names}
        entry = Entry(key=str(number), stage="s", preimage={}, outputs=outputs)
        file = StoredFile(
            path=Path(f"{number}.json"),
            size=draw(st.integers(1, 9)),
            used=draw(st.integers(0, NOW)),
        )
        entries.append(StoredEntry(key=str(number), file=file, entry=entry))
    refs = draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=2))
    return Survey(
        entries=tuple(entries),
        blobs=blobs,
        pinned_blobs=dict.fromkeys(refs, ("r",)),
        pinned_keys={},
    )


@given(
    surveys(),
    st.sets(st.sampled_from("012345")),
    st.integers(0, NOW),
    st.none() | st.integers(0, 300),
)
def test_nothing_that_is_needed_is_chosen(
    found: Survey, marked: set[str], cutoff: int, budget: int | None
) -> None:
    going = choose(found, marked, cutoff, budget)
    names = [(each.kind, each.name) for each in going]
    assert len(names) == len(set(names))
    gone = {each.name for each in going if each.kind == "entry"}
    lost = {each.name for each in going if each.kind == "blob"}
    for stored in found.entries:
        assert stored.entry is not None
        if stored.key in marked or stored.file.used >= cutoff:
            assert stored.key not in gone
        if stored.key not in gone:
            assert not everything(stored.entry) & lost
    assert all(each.file.used < cutoff for each in going)
    assert not lost & found.pinned_blobs.keys()
    size = sum(file.size for file in found.blobs.values())
    size += sum(stored.file.size for stored in found.entries)
    if budget is None:
        old = {stored.key for stored in found.entries if stored.file.used < cutoff}
        assert gone == old - marked
    elif gone:
        assert size - _without_last(going) > budget


def _without_last(going: list[Going]) -> int:
    """Bytes freed before the last entry went."""
    last = max(place for place, each in enumerate(going) if each.kind == "entry")
    return sum(each.file.size for each in going[:last])
