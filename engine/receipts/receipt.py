"""The receipt of a run that left nothing to do: what it rests on, and the answer to give meanwhile.

Guarantee: `holds` says yes only while every file, folder, setting and stored result that the last
full plan saw is what it was, so the full plan would say the same; any doubt is a no. A file counts
as unchanged by its stamp if it was at rest when it was read, else by its content. Nothing heavy is
imported here: neither the pipeline nor networkx, Polars, click, dataclasses or typing.

The limits are those of what `evidence` collects, and that installed distributions count by their
metadata, the standard library by the interpreter. Variables that a shell changes with each command
(`_`, `OLDPWD`, `SHLVL`) do not count.
"""

from __future__ import annotations

import json
import os
import sys
import time

from blake3 import blake3

from dagrun.engine.receipts.stamps import content, listing, stamp
from dagrun.engine.store.sealing import closed, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

VERSION = 1
FOLDER, DOMAIN = "receipts", "receipt"
MOST = 16
"""Receipts kept in a store, one for each command line and working directory; the newest stay."""
MOST_BYTES = 4 << 20
"""A file that was not at rest is read again up to this size; beyond, it is a doubt."""
STORE_RESTING_NS = 50_000_000
"""The same as `RESTING_NS` for entries, which dagrun alone writes, each as a new file: a few ticks
of the clock of any file system that has inodes and links."""

SWITCH = "DAGRUN_RECEIPT"
"""A variable: `0` makes every command plan in full, `why` also tell why it leaves no receipt."""
OPTIONS = ("-t", "-p", "-j")
LONG_OPTIONS = frozenset(
    ["--target", "--param", "--jobs", "--seed", "--executor", "--limit", "--keep-going", "--json"]
)
"""Options that only select, or say how to run what is to be run. A command with any other one (it
may ask for more than a run) neither leaves nor finds a receipt."""
_NOISE = frozenset({"_", "OLDPWD", "SHLVL", SWITCH})


def surroundings(words: Sequence[str]) -> dict[str, Any]:
    """Return what a process can see besides files, as JSON: to be compared with another one's.

    Of the environment only a digest is kept. Call it before a pipeline can change any of it.
    """
    named = sorted(item for item in os.environ.items() if item[0] not in _NOISE)
    text = json.dumps(named).encode("utf-8", "surrogatepass")
    return {
        "words": list(words),
        "folder": os.getcwd(),  # noqa: PTH109 (no pathlib here)
        "environment": blake3(text).hexdigest(),
        "path": list(sys.path),
        "python": [sys.executable, sys.version, sys.prefix, list(sys.flags)],
        "host": [*os.uname(), os.getuid(), os.cpu_count(), _affinity()],
    }


def _affinity() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def is_plain(words: Sequence[str]) -> bool:
    """Tell whether a command line asks for nothing that a receipt cannot give."""
    given = [word for word in words[1:] if word[:1] == "-"]
    return all(
        word.partition("=")[0] in LONG_OPTIONS if word[:2] == "--" else word[:2] in OPTIONS
        for word in given
    )


def file_name(words: Sequence[str]) -> str:
    """Return the name of the receipt of a command line in the current folder."""
    text = json.dumps([os.getcwd(), *words]).encode("utf-8", "surrogatepass")  # noqa: PTH109
    return f"{blake3(text).hexdigest()[:32]}.json"


def find(words: Sequence[str]) -> str | None:
    """Return the path of the receipt of a command line, None if there is none."""
    if not is_plain(words):
        return None
    name = file_name(words)
    here = os.getcwd()  # noqa: PTH109
    for start in (here, *(os.path.realpath(word) for word in words[1:] if word[:1] != "-")):
        for folder in _upward(start):
            path = f"{folder}/.dagrun/{FOLDER}/{name}"
            if os.path.exists(path):  # noqa: PTH110
                return path
    return None


def _upward(folder: str) -> Iterator[str]:
    yield folder
    while (above := os.path.dirname(folder)) != folder:  # noqa: PTH120
        yield (folder := above)


def to_bytes(evidence: Mapping[str, Any], answer: Mapping[str, Any]) -> bytes:
    """Write a receipt: one JSON document, sealed."""
    document = {"version": VERSION, "evidence": evidence, "answer": answer}
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    return closed(DOMAIN, text[:-1].encode())


def read(path: str) -> dict[str, Any] | None:
    """Return an intact receipt of this version, else None."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        body = opened(DOMAIN, file.read())
    document: dict[str, Any] = json.loads(body + b"}") if body else {}
    return document if document.get("version") == VERSION else None


def holds(evidence: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Tell whether everything is what it was; `now` are this process's `surroundings`.

    Raises `OSError` when something cannot be looked at, which is a doubt, too.
    """
    if evidence["surroundings"] != now:
        return False
    until = evidence.get("until")
    if until is not None and time.time() >= until:
        return False
    return (
        all(os.path.realpath(path) == real for path, real in evidence["links"])
        and not any(map(os.path.lexists, evidence["absent"]))
        and all(_is_same(*item) for item in evidence["files"])
        and all(_is_listed(*item) for item in evidence["folders"])
        and _is_stored(evidence["store"])
    )


def _is_same(path: str, was: list[int], at_rest: bool, digest: str) -> bool:
    """Tell whether a file has the content it had."""
    found = stamp(path)
    if at_rest and found == was:
        return True
    if not digest or found is None or found[0] != was[0] or found[0] > MOST_BYTES:
        return False
    return content(path) == digest


def _is_listed(path: str, was: list[int], at_rest: bool, modules: bool, digest: str) -> bool:
    """Tell whether a folder has the names it had."""
    if at_rest and stamp(path) == was:
        return True
    return listing(path, modules=modules) == digest


def _is_stored(store: Mapping[str, Any]) -> bool:
    """Tell whether entries are the files they were, and blobs there with their sizes."""
    entries, blobs, stat = f"{store['folder']}/entries", f"{store['folder']}/blobs", os.stat
    for key, was, at_rest, digest in store["entries"]:
        path = f"{entries}/{key[:2]}/{key}.json"
        found = stat(path)
        same = [found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns] == was
        # A run of another command line touches what it uses.
        if not (same and at_rest) and (found.st_size != was[0] or content(path) != digest):
            return False
    for digest, size in store["blobs"].items():
        found = stat(f"{blobs}/{digest[:2]}/{digest}")
        if size is not None and found.st_size != size:
            return False
    return True
