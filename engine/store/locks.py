"""Locks between processes that die with their holder.

Guarantee: at most one thread of one process on this host holds a given name at a time; the
kernel releases it when the holder ends, however it ends. The limit: `flock` reaches other hosts
only as far as the shared file system carries it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from dagrun.engine.store.durable import store_errors


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock behind a file in the folder of locks."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def held(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock `name` for a block, waiting for it. No file is left behind."""
    path = folder / name
    with store_errors(path):
        descriptor = _acquire(path)
    try:
        yield
    finally:
        # Unlinked while it is still held: a waiter sees that its file is gone and opens anew.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)
