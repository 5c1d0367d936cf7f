"""Disk usage: what of a store belongs to which stage, and to what kind of thing.

Every file counts once. A blob that several entries need belongs to its stage when they are all of
one stage, and to `shared` when they are not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from dagrun.engine.store.store import Store
from dagrun.engine.store.survey import Survey, files_of, needs, snapshot_blobs, survey

SHARED, NOBODY = "(shared)", "(nobody's)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Files of one sort: how many, and their bytes."""

    name: str
    files: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A store's bytes, told twice: by stage (artifacts only) and by kind (everything)."""

    stages: tuple[Share, ...]
    kinds: tuple[Share, ...]
    size: int


def usage(store: Store) -> Usage:
    """Measure a store. Raises `StoreUnusable`."""
    found = survey(store)
    owners, kinds_of = _owners(found)
    stages, kinds = _Tally(), _Tally()
    for name, file in found.blobs.items():
        kinds.add(kinds_of.get(name, "nobody's blobs"), file.size)
        if kinds_of.get(name) != "source texts":
            stages.add(owners.get(name, NOBODY), file.size)
    for stored in found.entries:
        kinds.add("entries" if stored.is_present else "replaced entries", stored.file.size)
        if stored.entry and stored.is_present:
            stages.add(stored.entry.stage, stored.file.size)
    for file in files_of(store.folder):
        top = file.path.relative_to(store.folder).parts[0]
        if top not in ("blobs", "entries"):
            kinds.add({"runs": "run logs", "refs-copy": "refs"}.get(top, top), file.size)
    return Usage(stages=stages.shares(), kinds=kinds.shares(), size=sum(kinds.sizes.values()))


class _Tally:
    def __init__(self) -> None:
        self.sizes: Counter[str] = Counter()
        self.files: Counter[str] = Counter()

    def add(self, name: str, size: int) -> None:
        self.sizes[name] += size
        self.files[name] += 1

    def shares(self) -> tuple[Share, ...]:
        """Return the shares, the largest first."""
        order = sorted(self.sizes, key=lambda name: (-self.sizes[name], name))
        return tuple(
            Share(name=name, files=self.files[name], size=self.sizes[name]) for name in order
        )


def _owners(found: Survey) -> tuple[dict[str, str], Mapping[str, str]]:
    """Return the stage and the kind of each blob that somebody needs."""
    stages: dict[str, set[str]] = defaultdict(set)
    kinds: dict[str, str] = {}
    for stored in found.entries:
        if stored.entry is None:
            continue
        kinds |= dict.fromkeys(stored.entry.texts.values(), "source texts")
        for blob in snapshot_blobs(stored.entry):
            stages[blob].add(stored.entry.stage)
            kinds[blob] = "snapshots of sources"
        for blob in needs(stored.entry):
            stages[blob].add(stored.entry.stage)
            kinds[blob] = "artifacts"
        for output in stored.entry.outputs.values():
            if output.blob:
                kinds[output.blob] = f"{output.codec.partition(':')[2].lower()} artifacts"
    for blob, refs in found.pinned_blobs.items():
        stages[blob] = stages[blob] or {refs[0]}
        kinds.setdefault(blob, "blobs of refs")
    owners = {
        blob: next(iter(names)) if len(names) == 1 else SHARED for blob, names in stages.items()
    }
    return owners, kinds
