"""Locks between processes that die with their holder.

Guarantee: at most one thread of one process on this host holds a given name at a time; the
kernel releases it when the holder ends, however it ends. The limit: `flock` reaches other hosts
only as far as the shared file system carries it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dagrun.engine.store.durable import store_errors


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock behind a file in the folder of locks."""
    return _try(path) is False


def remove_abandoned(folder: Path) -> None:
    """Remove the files of locks whose holders were killed, where that is possible."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            _try(path, path.unlink)


def _try(path: Path, action: Callable[[], None] = lambda: None) -> bool | None:
    """Do something under a lock unless it is held; tell whether; None when it has no file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_file_of(descriptor, path):
            action()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


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
        if _is_file_of(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_file_of(descriptor: int, path: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
