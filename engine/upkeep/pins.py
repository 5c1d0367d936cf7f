"""Pins: refs that keep a run's results, or what a stage has made last, from being collected.

A pin is the ref `pins/<name>`; its value lists the keys it keeps, `unpin` sets an empty list. What
was pinned, when and why stays in the ref's history.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.engine.history.runlog import HISTORY_DEPTH, Run, Runs, UnknownRun
from dagrun.engine.store.refs import Ref
from dagrun.engine.store.store import Store

PREFIX = "pins/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A pin in force.

    Attributes:
        name: a run's id, or the name of a stage or an artifact.
        keys: the entries it keeps.
        state: the ref's state: when, by whom, why.
    """

    name: str
    keys: tuple[str, ...]
    state: Ref


class NothingToPin(DagrunError):
    """A name leads to no result that could be kept."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        super().__init__(
            f"nothing called {name!r} has a result to pin.{nearest(name, known)} Give a run "
            f"(see: dagrun runs list) or a stage: {listing(known)}"
        )


class NotPinned(DagrunError):
    """There is no such pin."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        super().__init__(f"{name!r} is not pinned.{nearest(name, known)} Pins: {listing(known)}")


def pins(store: Store) -> tuple[Pin, ...]:
    """Return the pins in force, by name."""
    found = {name: store.refs.read(name) for name in store.refs.names(PREFIX)}
    return tuple(
        Pin(name=name.removeprefix(PREFIX), keys=tuple(ref.value["keys"]), state=ref)
        for name, ref in found.items()
        if ref and ref.value["keys"]
    )


def pin(store: Store, name: str, *, reason: str) -> Pin:
    """Pin a run's results, or what made the stage or artifact of that name last.

    Raises `NothingToPin`.
    """
    runs = Runs(store)
    stages: dict[str, str] = {}
    for run in itertools.islice(runs.newest_first(), HISTORY_DEPTH):
        for stage, line in run.stages.items():
            key = line.get("key")
            if key and stage not in stages and store.find(key):
                stages[stage] = key
    keys: tuple[str, ...]
    if key := stages.get(name) or _maker(store, name, stages.values()):
        keys = (key,)
    else:
        try:
            run = runs.read(name)
        except UnknownRun:
            raise NothingToPin(name, sorted(stages)) from None
        name, keys = run.run_id, tuple(sorted(_keys(store, run).values()))
    if not keys:
        raise NothingToPin(name, sorted(stages))
    state = store.refs.update(PREFIX + name, {"keys": list(keys)}, reason=reason)
    # A collector at work now has not seen the pin, but it sees that the entries are in use.
    if gone := [key for key in keys if store.use(key) is None]:
        store.refs.update(PREFIX + name, {"keys": []}, reason="collected while it was pinned")
        raise NothingToPin(f"{name} ({len(gone)} of {len(keys)} results are gone)", sorted(stages))
    return Pin(name=name, keys=keys, state=state)


def _maker(store: Store, artifact: str, keys: Iterable[str]) -> str | None:
    """Return the key whose entry has the artifact among its outputs."""
    entries = {key: store.entries.read(key) for key in keys}
    return next((key for key, made in entries.items() if made and artifact in made.outputs), None)


def _keys(store: Store, run: Run) -> dict[str, str]:
    """Return the keys of a run's stages that have an entry."""
    keys = {name: line.get("key") for name, line in run.stages.items()}
    return {name: key for name, key in keys.items() if key and store.find(key)}


def unpin(store: Store, name: str, *, reason: str) -> Pin:
    """Remove a pin, named as it was given to `pin`. Raises `NotPinned`."""
    known = {each.name: each for each in pins(store)}
    if name not in known:
        with contextlib.suppress(UnknownRun):
            name = Runs(store).read(name).run_id
    if name not in known:
        raise NotPinned(name, sorted(known))
    store.refs.update(PREFIX + name, {"keys": []}, reason=reason)
    return known[name]
