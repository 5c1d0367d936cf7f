"""Opening a source file: plain, gzip or zip, each as named binary streams.

Guarantee: whatever is wrong with the file itself (unreadable, truncated, damaged, encrypted)
surfaces as a `SourceError` that names the file, also when it shows only while reading on.
The limit: archives inside a zip other than gzip members are handed over as they are.
"""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from dagrun.engine.errors import DagrunError

BUFFER = 1 << 20
_DAMAGE = (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError)


class SourceError(DagrunError):
    """A source file is no good; `file` names it, `problem` and `advice` say the rest."""

    def __init__(self, file: str, problem: str, advice: str) -> None:
        self.file, self.problem, self.advice = file, problem, advice
        super().__init__(f"{file} {problem}. {advice}")


class UnreadableFile(SourceError):
    """The operating system does not let the file be read."""

    def __init__(self, file: str, error: OSError) -> None:
        what = error.strerror or str(error)
        super().__init__(file, f"cannot be read: {what}", "Check that it exists and its rights")


class DamagedFile(SourceError):
    """A compressed file is truncated or its check sums fail."""

    def __init__(self, file: str, error: BaseException) -> None:
        kind = "zip" if isinstance(error, zipfile.BadZipFile) else "compressed"
        super().__init__(
            file,
            f"is not a whole {kind} file: {error}",
            "Fetch it again; a download that was cut short looks like this",
        )


class LockedFile(SourceError):
    """A zip member is encrypted, or compressed by a method that Python lacks."""

    def __init__(self, file: str, error: BaseException) -> None:
        super().__init__(file, f"cannot be unpacked: {error}", "Pack it again without a password")


class EmptyFile(SourceError):
    """A file, or an archive, has nothing in it."""

    def __init__(self, file: str) -> None:
        super().__init__(file, "is empty", "Remove it, or narrow the pattern so as to leave it out")


class NotText(SourceError):
    """Bytes are not text in the encoding asked for."""

    def __init__(self, file: str, error: UnicodeDecodeError) -> None:
        self.offset = error.start
        byte = error.object[error.start]
        super().__init__(
            file,
            f"is not {error.encoding}: byte 0x{byte:02x} at offset {error.start}",
            "Name its encoding, for example encoding='cp1252'",
        )


class _Guarded(io.RawIOBase):
    """A stream that raises `SourceError` where the one below raises its own errors."""

    def __init__(self, name: str, below: IO[bytes]) -> None:
        self.name, self._below = name, below

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _guarding(self.name):
            data = self._below.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._below.close()
        super().close()


@contextmanager
def _guarding(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DamagedFile(name, error) from error
    except (RuntimeError, NotImplementedError) as error:
        raise LockedFile(name, error) from error
    except OSError as error:
        raise UnreadableFile(name, error) from error


def is_plain(name: str) -> bool:
    """Tell whether a file is used as it is, neither `.zip` nor `.gz`."""
    return not name.lower().endswith((".zip", ".gz"))


def open_file(name: str, path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the streams of one file, each with its name and open until the next is asked for.

    A plain or gzip file is one stream, named `name`. A zip yields its members in sorted order,
    named `name/member`, without folders, hidden files and `__MACOSX`; an empty one is an error.

    Raises `SourceError`, here or while the stream is read.
    """
    with _guarding(name):
        file = path.open("rb")
    with file:
        if not name.lower().endswith(".zip"):
            yield from _open_stream(name, file)
            return
        with _guarding(name):
            archive = zipfile.ZipFile(file)
        with archive:
            members = [info for info in archive.infolist() if _is_data(info)]
            if not members:
                raise EmptyFile(name)
            for info in sorted(members, key=lambda info: info.filename):
                member = f"{name}/{info.filename}"
                with _guarding(member):
                    stream = archive.open(info)
                with stream:
                    yield from _open_stream(member, stream)


def _is_data(info: zipfile.ZipInfo) -> bool:
    parts = info.filename.split("/")
    return not (info.is_dir() or "__MACOSX" in parts or parts[-1].startswith("."))


def _open_stream(name: str, stream: IO[bytes]) -> Iterator[tuple[str, BinaryIO]]:
    if name.lower().endswith(".gz"):
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    with io.BufferedReader(_Guarded(name, stream), BUFFER) as guarded:
        yield name, guarded


def decode(name: str, data: bytes, encoding: str) -> str:
    """Return text, without a byte order mark. Raises `NotText`; `LookupError` if unknown."""
    utf8 = encoding.lower().replace("-", "").replace("_", "") == "utf8"
    try:
        return data.decode("utf-8-sig" if utf8 else encoding)
    except UnicodeDecodeError as error:
        raise NotText(name, error) from error
