"""How much memory a process and its descendants hold of their own.

What counts is anonymous and shared memory that is resident. Pages of mapped files (a Parquet
file being scanned) are left out, since the kernel takes them back at will, and so is address space
that is reserved but not used, of which Polars and Arrow take a great deal. Linux only: elsewhere it
is 0.

The kernel's own limits would not do. While Polars 2.1 summed a Parquet file of 256 MB, it held
95 MB; RLIMIT_AS would have counted 1,277 MB, RLIMIT_DATA 261 MB. And beyond either, an allocation
in Polars fails, which aborts the process without a word about the limit.
"""

from __future__ import annotations

from pathlib import Path

_COUNTED = ("RssAnon:", "RssShmem:")


def held_by(process: int) -> int:
    """Return the bytes that a process and its descendants hold; those that are gone hold none."""
    folder = Path("/proc") / str(process)
    try:
        lines = (folder / "status").read_text().splitlines()
    except OSError:
        return 0
    counted = [line.split() for line in lines if line.startswith(_COUNTED)]
    return sum(int(fields[1]) * 1024 for fields in counted) + sum(map(held_by, _children(folder)))


def _children(folder: Path) -> list[int]:
    try:
        texts = [(thread / "children").read_text() for thread in (folder / "task").iterdir()]
    except OSError:
        return []
    return [int(child) for text in texts for child in text.split()]
