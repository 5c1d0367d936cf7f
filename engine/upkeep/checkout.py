"""Checking out: what a past run had, as plain files in a folder of one's own.

Guarantee: the folder is there whole or not at all; every file in it has the content that its entry
names, verified while it is copied, and `checkout-manifest.json` says what each is. The limits:
results that were collected are gone (a pin keeps them), and files of the project that a stage read
are named by their digests only; they are where the project keeps them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dagrun.engine.canonical import to_bytes
from dagrun.engine.errors import DagrunError, DefinitionError, listing, nearest
from dagrun.engine.events import Output
from dagrun.engine.history.commits import read_run
from dagrun.engine.history.runlog import Runs, UnknownRun
from dagrun.engine.lists import is_list, outputs_of
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store
from dagrun.engine.upkeep.pins import pins

VERSION = 1
MANIFEST = "checkout-manifest.json"
"""Like no artifact, since there is a hyphen in it."""
SOURCES = "sources"
_SUFFIXES = {"TABLE": ".parquet", "DOCUMENT": ".json", "FILE": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Results that were made once.

    Attributes:
        label: what they are of, in words.
        keys: the key of each stage; of a pin, in no order that means anything.
        facts: of the run, as its log has them; empty for a pin.
    """

    label: str
    keys: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """One artifact that was written; `file` is relative to the folder."""

    name: str
    stage: str
    key: str
    file: str
    output: Output


class UnknownPast(DefinitionError):
    """A name means no run, no pin and no revision that has a run."""

    def __init__(self, name: str, runs: list[str], pinned: list[str]) -> None:
        self.name = name
        super().__init__(
            f"{name!r} is no run, no pin, and no git revision of which there is a run."
            f"{nearest(name, [*runs, *pinned])} Runs: {listing(runs[::-1], 5)} (all of them: "
            f"dagrun runs list). Pins: {listing(pinned, 5)}"
        )


class NothingOfThatName(DefinitionError):
    """The results have no artifact of a name."""

    def __init__(self, name: str, label: str, known: list[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"{label} has no artifact {name!r}.{nearest(name, known)} It has: {listing(known)}"
        )


class Collected(DagrunError):
    """Some of the results are not stored any more."""

    def __init__(self, label: str, gone: list[str]) -> None:
        self.gone = tuple(gone)
        super().__init__(
            f"of {label} these are not stored any more: {listing(gone)}. Nothing was written. Name "
            "the artifacts you want, or run that state of the project again; dagrun pin keeps "
            "results from now on"
        )


class FolderTaken(DefinitionError):
    """The folder to write is there and not empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"{folder} exists and is not empty; nothing was written. Name a new one")


def find_past(store: Store, name: str) -> Past:
    """Return what a run, a pin or a git revision stands for. Raises `UnknownPast`."""
    runs = Runs(store)
    kept = {pin.name: pin for pin in pins(store)}
    try:
        run = read_run(runs, name)
    except UnknownRun:
        if name not in kept:
            raise UnknownPast(name, runs.ids(), sorted(kept)) from None
        return Past(label=f"pin {name}", keys=kept[name].keys)
    made = [line for line in run.stages.values() if line["status"] in ("hit", "ran")]
    keys = tuple(str(line["key"]) for line in made if line.get("key"))
    facts = {name: run.header.get(name) for name in ("run_id", "started", "commit", "dirty")}
    return Past(label=f"run {run.run_id}", keys=keys, facts=facts)


def with_elements(store: Store, key: str) -> Iterator[Entry]:
    """Yield the entry of a key, and those of its elements if a mapped stage made it."""
    for each in (key, *(entry.elements if (entry := store.entries.read(key)) else ())):
        if found := store.entries.read(each):
            yield found


def check_out(store: Store, past: Past, names: Sequence[str], to: Path) -> tuple[Restored, ...]:
    """Write the artifacts of those names (all, without any) into the new folder `to`.

    A name is an artifact's, a stage's, or `stage.param` for what a source held. Raises
    `NothingOfThatName`, `Collected`, `FolderTaken` and `DamagedBlob`.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise FolderTaken(to)
    entries = {key: store.entries.read(key) for key in past.keys}
    if gone := [key[:12] for key, entry in entries.items() if entry is None]:
        raise Collected(past.label, gone)
    wanted = _choose(past.label, [entry for entry in entries.values() if entry], names)
    if gone := [each.name for each in wanted if not _is_there(store, each.output)]:
        raise Collected(past.label, gone)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=to.parent, prefix=f".{to.name}-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name) / "whole"
        folder.mkdir()
        for each in wanted:
            _write(store, each.output, folder / each.file)
        manifest = _manifest(past, wanted, [entry for entry in entries.values() if entry])
        text = json.dumps(manifest, indent=2, sort_keys=True)
        (folder / MANIFEST).write_text(text + "\n", "utf-8")
        folder.rename(to)
    return wanted


def _choose(label: str, entries: list[Entry], names: Sequence[str]) -> tuple[Restored, ...]:
    every = [each for entry in entries for each in (*_made(entry), *_read(entry))]
    groups: dict[str, list[Restored]] = {}
    for each in every:
        for name in {each.name, each.name.partition("/")[0], each.stage}:
            groups.setdefault(name, []).append(each)
    for name in names:
        if name not in groups:
            raise NothingOfThatName(name, label, sorted({each.name for each in every}))
    chosen = [each for name in names for each in groups[name]] if names else every
    return tuple({each.file: each for each in chosen}.values())


def _made(entry: Entry) -> Iterator[Restored]:
    """Yield the outputs of an entry; those of a list one by one."""
    for name, output in entry.outputs.items():
        about = {"stage": entry.stage, "key": entry.key}
        if not is_list(output):
            yield Restored(name=name, file=name + _suffix(output), output=output, **about)
            continue
        for index, (_, part) in enumerate(outputs_of(output)):
            file = f"{name}/{index:04}{_suffix(part)}"
            yield Restored(name=f"{name}/{index:04}", file=file, output=part, **about)


def _read(entry: Entry) -> Iterator[Restored]:
    """Yield what the entry's stage has read from sources that are elsewhere."""
    for param, files in entry.snapshots.items():
        for name, output in files.items():
            own = f"{entry.stage}.{param}"
            parts = [part for part in PurePosixPath(name).parts if part not in ("..", "/")]
            yield Restored(
                name=f"{own}/{name}",
                stage=own,
                key=entry.key,
                file="/".join([SOURCES, own, *parts]) + _suffix(output),
                output=output,
            )


def _suffix(output: Output) -> str:
    kind = output.codec.partition(":")[2]
    return _SUFFIXES.get(kind, f".{kind.lower()}")


def _is_there(store: Store, output: Output) -> bool:
    blobs = [output.blob] if output.blob else []
    return all(store.blobs.size(blob) is not None for blob in (*blobs, *output.references))


def _write(store: Store, output: Output, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if output.blob is None:
        path.write_bytes(to_bytes(output.inline))
        return
    shutil.copyfile(store.blobs.verified(output.blob), path)
    for reference in output.references:
        beside = path.with_name(f"{path.name}.parts")
        beside.mkdir(exist_ok=True)
        shutil.copyfile(store.blobs.verified(reference), beside / reference)


def _manifest(past: Past, wanted: Sequence[Restored], entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "of": past.label,
        "run": dict(past.facts) or None,
        "artifacts": {
            each.file: {
                "artifact": each.name,
                "stage": each.stage,
                "key": each.key,
                "digest": each.output.logical,
                "rows": each.output.rows,
            }
            for each in wanted
        },
        "project_files": {
            f"{entry.stage}.{param}": form["$source"][1]["files"]
            for entry in entries
            for param, form in entry.preimage.get("params", {}).items()
            if isinstance(form, dict) and form.get("$source", [""])[0] == "Files"
        },
    }
