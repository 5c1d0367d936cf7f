"""Checking a store: every bit of every file, and that everything is there which something needs.

Guarantee: a file that is not what was written is found, whichever of its bits changed: blobs by
their digest, entries by their check and their key, refs, run logs and settings by their seals.
It may be done while runs are going on. The limits: a run log that lost whole lines at its end
looks like one of a run that was killed, and a blob of nobody's is only told, not missed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dagrun.engine.canonical import to_bytes
from dagrun.engine.errors import UnknownVersion
from dagrun.engine.history.runids import log_domain, owner
from dagrun.engine.keys import make_key
from dagrun.engine.receipts import receipt
from dagrun.engine.remote import snapshots
from dagrun.engine.store.blobs import digest_file
from dagrun.engine.store.durable import is_abandoned
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.locks import is_held
from dagrun.engine.store.refs import parse_ref
from dagrun.engine.store.sealed import seal, unseal
from dagrun.engine.store.store import FOLDERS, FORM, IGNORED, MARKER, RUN_LOCK, Store
from dagrun.engine.store.survey import (
    ENTRY_NAME,
    HEX,
    StoredEntry,
    StoredFile,
    Survey,
    files_of,
    needs,
    survey,
)
from dagrun.engine.upkeep.findings import Checked, Finding, Kind

SHORTCUTS = {
    "stats.json": "stats",
    receipt.FOLDER: receipt.DOMAIN,
    snapshots.FOLDER: snapshots.DOMAIN,
}
"""Sealed files that only save time, or folders of such, and the domains of their seals."""
ASIDE = "damaged"
"""Folder of the store where repairing puts damaged blobs that a ref needs."""
FOREIGN_AGE = 86400.0
"""Seconds after which a temporary file of another host counts as left behind."""


class _Checker:
    """One check of one store; each method yields what it finds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.survey: Survey = survey(store)
        self.needing = self.survey.needing()
        self.files = list(files_of(store.folder))

    def all(self) -> Iterator[Finding]:
        """Yield every finding."""
        yield from self._frame()
        by_folder: dict[str, Callable[[StoredFile], Iterator[Finding]]] = {
            "blobs": self._blob,
            "runs": self._run_log,
            "locks": self._lock,
        }
        for file in self.files:
            first, *rest = file.path.relative_to(self.store.folder).parts
            if rest and first in by_folder:
                yield from by_folder[first](file)
            elif first in SHORTCUTS:
                if unseal(SHORTCUTS[first], _read(file)) is None:
                    yield self._found("shortcut", file.path, "it is damaged", _COMPUTED_AGAIN)
            elif first == ASIDE:
                problem, advice = "a damaged blob that was put aside", "it is left: remove it"
                yield self._found("stranger", file.path, problem, advice, is_damage=False)
            elif not _is_known(first, file.path):
                yield self._stranger(file)
        for stored in self.survey.entries:
            yield from self._entry(stored)
        yield from self._refs()
        yield from self._pins()
        yield from self._temporaries()

    def _found(self, kind: Kind, path: Path, problem: str, advice: str, **details: Any) -> Finding:
        place = path.relative_to(self.store.folder).as_posix()
        return Finding(kind=kind, path=place, problem=problem, advice=advice, **details)

    def _stranger(self, file: StoredFile) -> Finding:
        problem = "no file of the store has such a name"
        advice = "it is left alone; remove it if it is not yours"
        return self._found("stranger", file.path, problem, advice, is_damage=False)

    def _frame(self) -> Iterator[Finding]:
        folder = self.store.folder
        marker = folder / MARKER
        data = marker.read_bytes() if marker.is_file() else b""
        if data not in (seal("format", FORM), to_bytes(FORM) + b"\n"):
            yield self._found("marker", marker, "it is damaged or missing", "it is written again")
        ignore = folder / ".gitignore"
        if not ignore.is_file() or ignore.read_bytes() != IGNORED:
            yield self._found("ignore", ignore, "it is damaged or missing", "it is written again")
        for name in FOLDERS:
            if not (folder / name).is_dir():
                yield self._found("folder", folder / name, "it is missing", "it is made again")

    def _blob(self, file: StoredFile) -> Iterator[Finding]:
        name = file.path.name
        if not HEX.fullmatch(name) or file.path.parent.name != name[:2]:
            yield self._stranger(file)
            return
        try:
            found = digest_file(file.path)
        except FileNotFoundError:
            return
        except OSError as error:
            found = str(error.strerror)
        if found == name:
            return
        entries, refs = self.needing.get(name, []), self.survey.pinned_blobs.get(name, ())
        advice = "it is removed, which makes what needs it a miss, and made again by the pipeline"
        if refs:
            advice = "it is put aside in damaged/ and made again by the pipeline, if that can be"
        yield self._found(
            "blob",
            file.path,
            f"its content has the digest {found[:12]}" if HEX.fullmatch(found) else found,
            advice,
            keys=tuple(entry.key for entry in entries),
            refs=refs,
            stage=_stages(entries),
        )

    def _entry(self, stored: StoredEntry) -> Iterator[Finding]:
        path, key, entry = stored.file.path, stored.key, stored.entry
        if stored.other:
            yield self._found("other version", path, stored.other, "it is left alone")
            return
        problem = _entry_problem(stored)
        if not stored.is_present:
            if problem:
                yield self._found("old entry", path, problem, "it is removed; it is only history")
            return
        if problem or entry is None:
            stage = entry.stage if entry else ""
            advice = "it is removed, which makes its key a miss, and made again by the pipeline"
            yield self._found("entry", path, problem, advice, keys=(key,), stage=stage)
            return
        for blob in sorted(needs(entry) - self.survey.blobs.keys()):
            if self.store.blobs.size(blob) is None and path.exists():
                yield self._found(
                    "lost blob",
                    self.store.blobs.path(blob),
                    "it is missing",
                    "its entry is kept as history only, and made again by the pipeline",
                    keys=(key,),
                    stage=entry.stage,
                )
        for symbol, blob in sorted(entry.texts.items()):
            if self.store.blobs.size(blob) is None:
                yield self._found(
                    "text",
                    self.store.blobs.path(blob),
                    f"the source text of {symbol} is missing",
                    "dagrun why cannot show how it changed; it is stored again if it is still so",
                    is_damage=False,
                    stage=entry.stage,
                )

    def _refs(self) -> Iterator[Finding]:
        refs = self.store.refs
        for name in sorted({*refs.names(), *refs.copied_names()}):
            yield from self._ref(name, again=True)

    def _ref(self, name: str, *, again: bool) -> Iterator[Finding]:
        path, copy = self.store.refs.paths(name)
        try:
            here, there = (
                parse_ref(name, each.read_bytes()) if each.is_file() else None
                for each in (path, copy)
            )
        except UnknownVersion as error:
            yield self._found("other version", path, str(error), "it is left alone", refs=(name,))
            return
        if here == there is not None:
            return
        if again:
            # It may have been in the middle of an update.
            with self.store.refs.lock(name):
                yield from self._ref(name, again=False)
        elif here is not None:
            problem = "it is behind or ahead of its ref" if there else "it is damaged or missing"
            yield self._found("copy", copy, problem, "it is copied again", refs=(name,))
        elif there is not None:
            advice = "it is restored from its copy"
            yield self._found("ref", path, "it is damaged or missing", advice, refs=(name,))
        else:
            advice = "nothing can restore it: remove refs/ and refs-copy/ of it, and set it again"
            yield self._found(
                "ref", path, "it is damaged, and so is its copy", advice, refs=(name,)
            )

    def _pins(self) -> Iterator[Finding]:
        for key, refs in sorted(self.survey.pinned_keys.items()):
            path = self.store.entries.path(key)
            if not path.exists():
                advice = "it is made again by the pipeline, if that can be"
                yield self._found(
                    "lost entry", path, "it is missing", advice, keys=(key,), refs=refs
                )
        for blob, refs in sorted(self.survey.pinned_blobs.items()):
            if self.store.blobs.size(blob) is None and not self.needing.get(blob):
                path = self.store.blobs.path(blob)
                advice = "only the pipeline state that made it can make it again: run that one"
                yield self._found("lost blob", path, "it is missing", advice, refs=refs)

    def _run_log(self, file: StoredFile) -> Iterator[Finding]:
        lines = _read(file).splitlines(keepends=True)
        forms = [unseal(log_domain(file.path), line) for line in lines]
        if None not in forms or is_held(self.store.locks / (RUN_LOCK + owner(file.path))):
            return
        bad = forms.index(None) + 1
        torn = bad == len(lines) and not lines[-1].endswith(b"\n")
        yield self._found(
            "run log",
            file.path,
            "its tail is torn" if torn else f"line {bad} is damaged",
            "what is whole of it is kept",
            is_damage=not torn,
        )

    def _lock(self, file: StoredFile) -> Iterator[Finding]:
        if not is_held(file.path) and file.path.exists():
            yield self._found(
                "lock", file.path, "nobody holds it any more", "it is removed", is_damage=False
            )

    def _temporaries(self) -> Iterator[Finding]:
        for path in sorted(self.store.temporary.glob("*")):
            gone = is_abandoned(path)
            if gone or (gone is None and _age(path) > FOREIGN_AGE):
                problem = "whoever wrote it is gone"
                yield self._found("temporary", path, problem, "it is removed", is_damage=False)


_COMPUTED_AGAIN = "it is removed; what it saves is computed again"


def check(store: Store) -> Checked:
    """Check a store, which may have a damaged marker. Raises `StoreUnusable`."""
    checker = _Checker(store)
    findings = tuple(checker.all())
    sizes = [file.size for file in checker.files]
    return Checked(findings=findings, files=len(sizes), size=sum(sizes))


def _entry_problem(stored: StoredEntry) -> str:
    entry = stored.entry
    if entry is None:
        return "it is damaged"
    # More than the check: bits that JSON reads alike, such as the case of an exponent.
    if stored.data != to_bytes(json.loads(stored.data)) + b"\n":
        return "it is damaged"
    if make_key(entry.preimage) != stored.key:
        return "its key is not the digest of its preimage"
    return "" if stored.file.path.parent.name == stored.key[:2] else "it is in the wrong folder"


def _stages(entries: list[Entry]) -> str:
    return ", ".join(sorted({entry.stage for entry in entries}))


def _is_known(top: str, path: Path) -> bool:
    """Whether a file that is looked at elsewhere is named as such files are."""
    if top == "entries":
        return ENTRY_NAME.fullmatch(path.name) is not None
    if top in ("refs", "refs-copy"):
        return path.suffix == ".json"
    return top in ("tmp", MARKER, ".gitignore")


def _read(file: StoredFile) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError:
        return b""


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
