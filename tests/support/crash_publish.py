"""What the crash tests share: one publish as a program of its own, and strace around it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dagrun.engine.store.store import Store

PUBLISH = """
import pathlib, sys
from dagrun.engine.keys import make_key
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store

store = Store.open(pathlib.Path(sys.argv[1]))
for number in range(2):
    preimage = {"params": {"number": number}}
    key = make_key(preimage)
    with store.lock(key) as claim:
        if store.use(key) is None:
            file = pathlib.Path(sys.argv[1]) / f"made-{number}"
            file.write_bytes(bytes([number]) * 70_000)
            outputs = {"file": store.dump(file), "text": store.dump("x" * 9000 + str(number))}
            entry = Entry(key=key, stage=f"s{number}", preimage=preimage, outputs=outputs)
            texts = {"m:f": f"def f(): return {number}", "m:g": f"x = {number}\\n" * 1000}
            store.commit(claim, entry, texts)
blob = store.blobs.put_bytes(b"model" * 100)
if store.refs.read("names/it") is None:
    store.refs.update("names/it", {"blob": blob}, reason="made")
print("published")
"""
ENTRIES = 2


@dataclass(frozen=True)
class Publisher:
    """Publishes two entries and a ref in a process of its own."""

    root: Path

    def run(self, wrapper: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        command = [*wrapper, sys.executable, "-P", "-c", PUBLISH, str(self.root)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    def traced(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it under strace, whose own output goes to the file `trace`."""
        return self.run(["strace", "-f", "-qq", "-o", str(self.trace), *options])

    @property
    def trace(self) -> Path:
        return self.root.with_name(f"{self.root.name}.trace")


def check_store(root: Path) -> tuple[set[str], bool]:
    """Load whatever a store says it has; return the stages of its entries, and if the ref is."""
    if not (root / ".dagrun" / "format.json").exists():
        return set(), False
    store = Store.open(root)
    stages = set()
    for key in store.entries.keys():  # noqa: SIM118
        entry = store.find(key)
        assert entry is not None, f"entry {key} is there without its blobs"
        for output in entry.outputs.values():
            store.load(output)
        stages.add(entry.stage)
    ref = store.refs.read("names/it")
    if ref is not None:
        store.blobs.read(ref.value["blob"])
    return stages, ref is not None


def litter(root: Path) -> list[str]:
    folders = [root / ".dagrun" / name for name in ("tmp", "locks")]
    return [path.name for folder in folders if folder.is_dir() for path in folder.iterdir()]


def calls(trace: str) -> dict[str, int]:
    """How often each system call was made by the process that made it most."""
    most: dict[str, int] = {}
    for thread in set(re.findall(r"^(\d+) ", trace, re.M)) or {""}:
        for name in set(re.findall(rf"^{thread} +(\w+)\(", trace, re.M)):
            count = len(re.findall(rf"^{thread} +{name}\(", trace, re.M))
            most[name] = max(most.get(name, 0), count)
    return most
