"""Lineage: what an artifact was really made from, up to the raw sources, as the entries record it.

It is read from the store alone, so it holds for old artifacts too: an input that came out equal is
traced to the entry it was read from when the stage ran, which need not be the newest. The limit: it
reaches as far as the entries are kept; beyond, a key is named and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dagrun.engine.canonical import digest
from dagrun.engine.events import Output
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One input of a stage: the artifact, its logical digest, and the stage and key behind it."""

    artifact: str
    logical: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceUse:
    """A source of a stage: its param, its kind, and its files with the digest of each."""

    param: str
    kind: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage in a lineage; without an entry when that is no longer stored.

    Attributes:
        code: digest over all symbols of the code version, of which there are `symbols`.
        params: JSON forms of the params that are no sources.
        inputs: by parameter name.
        environment: facts of the host that made it.
    """

    key: str
    stage: str = ""
    created: str = ""
    seconds: float = 0.0
    code: str = ""
    symbols: int = 0
    distributions: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[SourceUse, ...] = ()
    inputs: Mapping[str, Origin] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def stored(self) -> bool:
        """Whether its entry is still there."""
        return bool(self.stage)


def make_step(entry: Entry) -> Step:
    """Read one entry's part of a lineage."""
    preimage = entry.preimage
    params = preimage.get("params", {})
    sources = {name: form["$source"] for name, form in params.items() if _is_source(form)}
    return Step(
        key=entry.key,
        stage=entry.stage,
        created=entry.created,
        seconds=entry.seconds,
        code=digest("code", preimage.get("code", {})),
        symbols=len(preimage.get("code", {})),
        distributions=preimage.get("distributions", {}),
        params={name: form for name, form in params.items() if name not in sources},
        sources=tuple(
            SourceUse(param=name, kind=kind, files=_files(kind, identity))
            for name, (kind, identity) in sources.items()
        ),
        inputs={
            name: Origin(
                artifact=entry.producers.get(name, ("", name))[1],
                logical=logical,
                key=entry.producers.get(name, ("", name))[0],
            )
            for name, logical in preimage.get("inputs", {}).items()
        },
        outputs=entry.outputs,
        environment=entry.environment,
    )


def _is_source(form: Any) -> bool:
    return isinstance(form, dict) and list(form) == ["$source"]


def _files(kind: str, identity: Any) -> Mapping[str, str]:
    """Return the files behind a source; one that is not of files stands as a whole."""
    files = identity.get("files") if isinstance(identity, dict) else None
    return files if isinstance(files, dict) else {kind: digest("source", identity)}


def trace(store: Store, entry: Entry) -> tuple[Step, ...]:
    """Return the lineage of what an entry holds: its own step first, each step once."""
    steps: dict[str, Step] = {}
    waiting = deque([entry.key])
    while waiting:
        key = waiting.popleft()
        if key in steps:
            continue
        found = entry if key == entry.key else store.entries.read(key)
        steps[key] = make_step(found) if found else Step(key=key)
        waiting.extend(origin.key for origin in steps[key].inputs.values() if origin.key)
    return tuple(steps.values())
