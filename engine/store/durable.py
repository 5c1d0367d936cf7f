"""Files that are there whole or not at all, also after a power cut.

Guarantee: after `write_whole` or `replace_durably` returns, the new content survives a crash; at
every instant before, readers see the old content or the new one, never a part. The limit: it
needs a file system with atomic rename and an honest fsync, on which POSIX file systems agree.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from dagrun.engine.errors import StoreError

AT_ONCE = 1 << 16
"""Bytes that `read_whole` reads at once; most entries are smaller."""
_COUNTER = itertools.count()
_HOST = socket.gethostname().replace("-", "_") or "host"
# A later process with the same number must not meet the files of a dead one.
_TOKEN = secrets.token_hex(4)


class StoreUnusable(StoreError):
    """The operating system refused to read or write the store."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.path, self.error = path, error
        advice = {
            errno.ENOSPC: "free some space and run again; everything committed so far is kept",
            errno.EDQUOT: "the quota is used up; free some space and run again",
            errno.ENOENT: "part of the store is gone; mend it with: dagrun fsck --repair",
            errno.EROFS: "the file system is read-only; use a project folder that can be written",
            errno.EACCES: "check the permissions of the folder",
        }.get(error.errno or 0, "nothing that was committed is lost; run again once it is mended")
        super().__init__(f"the store cannot use {path}: {error.strerror or error} ({advice})")


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` inside the block into `StoreUnusable` naming `path`."""
    try:
        yield
    except OSError as error:
        raise StoreUnusable(path, error) from error


def temporary_path(folder: Path) -> Path:
    """Return a fresh name in `folder` that tells its owner: host, process, token and count."""
    return folder / f"{_HOST}-{os.getpid()}-{_TOKEN}-{next(_COUNTER)}"


def fsync_file(path: Path) -> None:
    """Flush a file's content to the device."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


fsync_folder = fsync_file


def touch(path: Path) -> bool:
    """Note that a file is in use now; tell whether it is there. A read-only one stays as it is."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        pass
    return True


def replace_durably(temporary: Path, target: Path) -> None:
    """Move a written temporary file to `target`, durably. Creates the target's folder."""
    fsync_file(temporary)
    hold(target.parent)
    replace(temporary, target)
    fsync_folder(target.parent)


def replace(temporary: Path, target: Path) -> None:
    """Move a file to `target`, whose folder is made if it is missing."""
    try:
        os.replace(temporary, target)  # noqa: PTH105 - once for each stage
    except FileNotFoundError:  # there is no such folder yet, or no more
        _HELD.discard(target.parent)
        hold(target.parent)
        os.replace(temporary, target)  # noqa: PTH105


FEW = 8
_HELD: set[Path] = set()
"""Folders that this process knows to survive a crash."""
_MOST_HELD = 4_096
"""Folders kept in mind: a store has a few hundred, a server's prediction log more each day."""
_HOLDING = threading.Lock()


def hold(folder: Path) -> None:
    """Make a folder durable, made by whomever, before anything in it is said to be.

    Of folders named by two digits there will be 256: beyond a few, all are made with one sync.
    """
    if folder in _HELD:
        return
    with _HOLDING:
        if folder in _HELD:
            return
        above = folder.parent
        make_folder(above)
        folder.mkdir(exist_ok=True)
        if len(folder.name) == 2 and len(os.listdir(above)) > FEW:  # noqa: PTH208
            for number in range(256):
                (above / f"{number:02x}").mkdir(exist_ok=True)
        names = os.listdir(above)  # noqa: PTH208
        fsync_folder(above)
        if len(_HELD) > _MOST_HELD:
            _HELD.clear()
        _HELD.update(above / name for name in names)


def make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, durably."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        fsync_folder(folder.parent)


def write_whole(target: Path, data: bytes, temporary_folder: Path, *, durable: bool = True) -> None:
    """Write `data` to `target` atomically, and durably if asked. Raises `StoreUnusable`."""
    temporary = temporary_path(temporary_folder)
    with store_errors(target):
        try:
            descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666)
            try:
                write_all(descriptor, data)
                if durable:
                    os.fsync(descriptor)
                    hold(target.parent)
            finally:
                os.close(descriptor)
            replace(temporary, target)
            if durable:
                fsync_folder(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; a single call of the system may write a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_whole(path: Path) -> bytes:
    """Return a file's content with as few calls of the system as there can be."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = part = os.read(descriptor, AT_ONCE)
        while len(part) == AT_ONCE:  # a file gives less only at its end
            data += (part := os.read(descriptor, AT_ONCE))
    finally:
        os.close(descriptor)
    return data


def remove_abandoned(folder: Path) -> None:
    """Remove what processes of this host that are gone have left, where that is possible."""
    for path in folder.iterdir():
        if is_abandoned(path):
            with contextlib.suppress(OSError):
                remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_abandoned(path: Path) -> bool | None:
    """Tell whether the process that made a temporary file is gone; None for another host's."""
    host, _, rest = path.name.partition("-")
    process = rest.partition("-")[0]
    if host != _HOST or not process.isdigit():
        return None
    return not _is_alive(int(process))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
