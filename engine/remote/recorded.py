"""What past results were made from, to be read again in place of what is elsewhere by now.

Guarantee: a source that a past result has read gives the very same data, and is not asked. The
limits: a source whose request has changed since is another one, and is read; the data must still be
stored, and variables that its address names must be set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dagrun.engine.errors import DagrunError, listing
from dagrun.engine.events import Output
from dagrun.engine.remote.remote import Remote
from dagrun.engine.remote.snapshots import Snapshot, request_digest
from dagrun.engine.stage import Stage
from dagrun.engine.store.blobs import Blobs
from dagrun.engine.store.entries import Entry


class SnapshotsGone(DagrunError):
    """What a past result was made from is not stored any more."""

    def __init__(self, label: str, gone: list[str]) -> None:
        self.gone = tuple(gone)
        super().__init__(
            f"what {label} has read is not stored any more: {listing(gone)}. Name another run, or "
            "read it anew without --data"
        )


def recorded(
    label: str, stages: Mapping[str, Stage[..., Any]], entries: Iterable[Entry], blobs: Blobs
) -> dict[str, Snapshot]:
    """Return the snapshots that entries were made from, by request. Raises `SnapshotsGone`."""
    files: dict[str, dict[str, Output]] = {}
    for entry in entries:
        stage = stages.get(entry.stage)
        for param, read in entry.snapshots.items():
            source = stage.params.get(param) if stage else None
            if isinstance(source, Remote):
                # Elements of a mapped stage have read a file each.
                files.setdefault(request_digest(source), {}).update(read)
    gone = [
        name
        for read in files.values()
        for name, output in read.items()
        if blobs.size(output.blob or "") != output.size
    ]
    if gone:
        raise SnapshotsGone(label, gone)
    return {name: Snapshot(files=read, taken=0.0) for name, read in files.items()}
