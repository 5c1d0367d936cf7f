"""What the operating system says of files and folders without their being read.

Guarantee: nothing heavy is imported here, so a question that stats can answer is answered at once.
The limit: a stamp tells that a file moved only if the file was at rest before (see `RESTING_NS`);
whoever asks has to look at the content otherwise.
"""

from __future__ import annotations

import os
import sys

from blake3 import blake3

TYPE_CHECKING = False  # the module typing, to ask it, would cost as much as all that is done here
if TYPE_CHECKING:
    from collections.abc import Iterator

RESTING_NS = 2_000_000_000
"""Coarsest clock among common file systems (FAT: 2 s), in nanoseconds."""

_INITS = tuple(f"__init__{suffix}" for suffix in (".py", ".pyc", ".so", ".abi3.so"))
_INITS += (f"__init__.{sys.implementation.cache_tag}-{sys.platform}.so",)
_MODULES = (".py", ".pyc", ".so", ".dist-info", ".egg-info", ".egg-link", ".pth")


def stamp(path: str) -> list[int] | None:
    """Return `[size, mtime, inode, ctime]`, times in nanoseconds; None if nothing is there."""
    try:
        found = os.stat(path)  # noqa: PTH116 (no pathlib here)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns]


def rested(found: list[int], now_ns: int, margin_ns: int = RESTING_NS) -> bool:
    """Tell whether a file with that stamp had been left alone for `margin_ns` at `now_ns`."""
    return now_ns - max(found[1], found[3]) > margin_ns


def content(path: str) -> str:
    """Return the BLAKE3 digest of a file's bytes. Raises `OSError`."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return blake3(file.read()).hexdigest()


def listing(folder: str, *, modules: bool) -> str | None:
    """Return a digest of the names in a folder, None if it is none.

    With `modules`, only of what an import could find there: files that may be modules, folders that
    may be packages (and whether they are), and the metadata of distributions.
    """
    try:
        names = sorted(_module_names(folder) if modules else _names(folder))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return blake3("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _names(folder: str) -> Iterator[str]:
    with os.scandir(folder) as items:
        for item in items:
            yield item.name + "/" * item.is_dir()


def _module_names(folder: str) -> Iterator[str]:
    with os.scandir(folder) as items:
        for item in items:
            name = item.name
            if name.lower().endswith(_MODULES):
                yield name
            elif "." not in name and name != "__pycache__" and item.is_dir():
                found = [init for init in _INITS if os.path.exists(f"{folder}/{name}/{init}")]  # noqa: PTH110
                yield "/".join((name, *found))
