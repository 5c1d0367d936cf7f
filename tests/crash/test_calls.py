"""Every write, sync and rename of a publish fails once, or is the last thing that happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_publish import ENTRIES, Publisher, calls, check_store, litter

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
CALLS = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat2",
    "mkdir",
    "link",
    "linkat",
)
FAULTS = ("signal=KILL", "error=ENOSPC", "error=EIO")

pytestmark = pytest.mark.usefixtures("strace")


def faults(counts: dict[str, int]) -> Iterator[str]:
    """Yield each injection: a call, what happens to it, and which one of its kind it is."""
    number = 0
    for call, count in sorted(counts.items()):
        for fault in FAULTS:
            for place in range(1, count + 1):
                number += 1
                # In `check` every 23rd: over time all of them, as the calls shift.
                if SOAK or number % 23 == 0:
                    yield f"inject={call}:{fault}:when={place}"


def test_a_publish_survives_a_fault_at_every_call(tmp_path: Path) -> None:
    counted = Publisher(tmp_path / "counted")
    counted.root.mkdir()
    assert counted.traced("-e", f"trace={','.join(CALLS)}").stdout == "published\n"
    counts = calls(counted.trace.read_text())
    assert counts["fsync"] > 10
    assert counts["rename"] > 5
    failed = 0
    for number, fault in enumerate(faults(counts)):
        publisher = Publisher(tmp_path / str(number))
        publisher.root.mkdir()
        found = publisher.traced("-e", f"trace={','.join(CALLS)}", "-e", fault)
        stages, has_ref = check_store(publisher.root)
        if found.stdout == "published\n":
            assert (len(stages), has_ref) == (ENTRIES, True), fault
        else:
            failed += 1
            assert "KILL" in fault or "Error" in found.stderr, (fault, found.stderr)
        if "KILL" not in fault and (publisher.root / ".dagrun/tmp").is_dir():
            assert litter(publisher.root) == [], fault
        again = publisher.run()
        assert (again.returncode, again.stdout) == (0, "published\n"), (fault, again.stderr)
        after, has_ref = check_store(publisher.root)
        assert (len(after), has_ref) == (ENTRIES, True)
        assert stages <= after
        assert litter(publisher.root) == [], fault
    assert failed > 0
