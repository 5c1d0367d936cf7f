"""A power cut at every instant of a publish, replayed from its recorded system calls.

A killed process proves nothing about syncs: what it wrote stays in memory and reaches the disk.
So the calls of a publish are recorded, and after each of them the disk is rebuilt as a cut of the
power may leave it: without every write that was not synced, and the names in folders by one of
three rules. The publish is sound if no entry is ever there without what it names.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from crash_publish import ENTRIES, Publisher, check_store

from dagrun.engine.store.refs import DamagedRef
from dagrun.engine.store.store import Store

CALLS = (
    *("open", "openat", "creat", "write", "pwrite64", "writev", "fsync", "fdatasync", "syncfs"),
    *("sync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"),
    *("mkdir", "mkdirat", "ftruncate", "copy_file_range", "sendfile"),
)
RULES = ("names are kept", "names are lost", "only entries keep their names")
LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?")

pytestmark = pytest.mark.usefixtures("strace")


@dataclass
class File:
    """A file by what is known of its bytes: written to since the last sync, or not."""

    is_synced: bool = True


@dataclass
class Disk:
    """Names and files as processes see them, and as they are known to be on the disk."""

    seen: dict[str, File | None] = field(default_factory=dict)
    synced: dict[str, File | None] = field(default_factory=dict)

    def apply(self, call: str, text: str, result: str | None) -> None:
        paths = re.findall(r'"([^"]*)"', text)
        target = re.match(r"\d+<([^>]*)>", text)
        if call in ("open", "openat", "creat"):
            if "O_CREAT" in text and result is not None:
                self.seen.setdefault(result, File())
                if "O_TRUNC" in text:
                    self._written(result)
        elif call in ("mkdir", "mkdirat"):
            self.seen[paths[0]] = None
        elif call.startswith("rename"):
            self.seen[paths[1]] = self.seen.pop(paths[0])
        elif call.startswith("link"):
            self.seen[paths[1]] = self.seen[paths[0]]
        elif call.startswith("unlink"):
            self.seen.pop(paths[0], None)
        elif call in ("sync", "syncfs"):
            for path in list(self.seen):
                self._synced(path)
        elif call in ("fsync", "fdatasync"):
            assert target is not None
            self._synced(target[1])
        elif target is not None:
            # What copies within the kernel names its source first.
            written = re.findall(r"\d+<([^>]*)>", text)
            self._written(written[1] if call == "copy_file_range" else written[0])

    def _written(self, path: str) -> None:
        if file := self.seen.get(path):
            file.is_synced = False

    def _synced(self, path: str) -> None:
        if file := self.seen.get(path):
            file.is_synced = True
            return
        inside = {name for name in self.seen if str(Path(name).parent) == path}
        for name in [name for name in self.synced if str(Path(name).parent) == path]:
            if name not in inside:
                del self.synced[name]
        self.synced |= {name: self.seen[name] for name in inside}

    def after_a_cut(self, rule: str, folder: str) -> dict[str, File | None]:
        """What is on the disk when the power comes back."""
        if rule == "names are kept":
            return dict(self.seen)
        found = dict(self.synced)
        if rule == "only entries keep their names":
            entries = f"{folder}/entries"
            found |= {name: file for name, file in self.seen.items() if name.startswith(entries)}
        return {
            name: file
            for name, file in found.items()
            if all(str(above) in found for above in Path(name).parents if _inside(above, folder))
        }


def _inside(path: Path, folder: str) -> bool:
    return str(path).startswith(folder)


def recorded(trace: Path) -> Iterator[tuple[str, str, str | None]]:
    """Yield the calls that succeeded: name, arguments, the path behind the result."""
    for line in trace.read_text().splitlines():
        found = LINE.match(line)
        if found and not found[3].startswith("-"):
            yield found[1], found[2], found[4]


def rebuild(disk: dict[str, File | None], original: Path, place: Path) -> None:
    """Make the store that a cut has left; what was not synced is empty."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, file in sorted(disk.items()):
        if not _inside(Path(name), str(original / ".dagrun")):
            continue
        path = place / Path(name).relative_to(original)
        if file is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = Path(name)
        path.write_bytes(whole.read_bytes() if file.is_synced and whole.is_file() else b"")


def state(disk: dict[str, File | None], folder: str) -> frozenset[tuple[str, bool]]:
    return frozenset(
        (name, file is None or file.is_synced)
        for name, file in disk.items()
        if name.startswith(folder) and not name.startswith((f"{folder}/tmp", f"{folder}/locks"))
    )


@pytest.mark.parametrize("rule", RULES)
def test_no_entry_is_there_without_its_blobs(
    publisher: Publisher, tmp_path: Path, rule: str
) -> None:
    assert publisher.traced("-y", "-e", f"trace={','.join(CALLS)}").stdout == "published\n"
    folder = str(publisher.root / ".dagrun")
    disk, seen, most = Disk(), set(), 0
    disk.synced[str(publisher.root)] = disk.seen[str(publisher.root)] = None
    for call, text, result in recorded(publisher.trace):
        disk.apply(call, text, result)
        left = disk.after_a_cut(rule, folder)
        if (now := state(left, folder)) in seen:
            continue
        seen.add(now)
        rebuild(left, publisher.root, tmp_path / "cut")
        stages = entries_of(tmp_path / "cut")
        assert len(stages) >= most or rule == "names are kept", (call, text)
        most = max(most, len(stages))
    assert len(seen) > 20
    # What was acknowledged is still there, whatever the disk has not been told to keep.
    assert check_store(tmp_path / "cut") == ({f"s{n}" for n in range(ENTRIES)}, True)


def entries_of(root: Path) -> set[str]:
    """Return the stages of the entries that can be read, each with everything it names."""
    store = Store(root / ".dagrun")
    stages = set()
    for key in store.entries.keys():  # noqa: SIM118
        entry = store.entries.read(key)
        if entry is None:
            continue  # it was not synced yet: a miss
        assert store.find(key) is not None, f"entry {key} is there without its blobs"
        for output in entry.outputs.values():
            store.load(output)
        stages.add(entry.stage)
    for name in store.refs.names():
        with contextlib.suppress(DamagedRef):
            if ref := store.refs.read(name):
                store.blobs.read(ref.value["blob"])
    return stages
