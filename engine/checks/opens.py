"""Opens of files, as an audit hook or strace tells them. Pure text work.

The limit: what strace prints is read as far as `open`, `openat`, `openat2` and `creat` that
succeeded; files that a process inherited or received are not among them.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """One open of a file.

    Attributes:
        path: absolute.
        flags: those of `open(2)`.
        created: the file was made by this.
        where: `file:line` of the project's code behind it, if known.
    """

    path: str
    flags: int
    created: bool = False
    where: str = ""

    @property
    def reads(self) -> bool:
        """Whether content that was there before can be read."""
        no_content = os.O_TRUNC | os.O_DIRECTORY | getattr(os, "O_PATH", 0)
        return self.flags & os.O_ACCMODE != os.O_WRONLY and not self.flags & no_content


_CALL = re.compile(r"(\d+) +(?:open|openat|openat2|creat)\((.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (?:open|openat|openat2|creat) resumed>(.*)")
_RESULT = re.compile(r"= \d+<(.*?)>(?:\(deleted\))?$")
_FLAGS = re.compile(r"\bO_\w+")


def read_trace(trace: Path, begin: str) -> list[Open]:
    """Return the opens in strace's output (of `-f -y`) after the mark `begin`."""
    with trace.open(encoding="latin-1") as lines:
        for line in lines:
            if begin in line:
                break
        return list(parse_trace(lines))


def parse_trace(lines: Iterator[str]) -> Iterator[Open]:
    """Yield the opens that succeeded; calls cut in two by another thread are put together."""
    begun: dict[str, str] = {}
    for line in lines:
        text = line.rstrip("\n")
        if match := _CALL.match(text):
            thread, call = match.groups()
            if call.endswith("<unfinished ...>"):
                begun[thread] = call.removesuffix("<unfinished ...>")
                continue
        elif match := _RESUMED.match(text):
            thread, rest = match.groups()
            call = begun.pop(thread, "") + rest
        else:
            continue
        if opened := _parse_call(call):
            yield opened


def _parse_call(call: str) -> Open | None:
    result = _RESULT.search(call)
    if result is None:
        return None
    # Flags follow the path, which may hold anything, and come before the result.
    words = _FLAGS.findall(call[: result.start()].rpartition('"')[2])
    flags = 0
    for word in words:
        flags |= getattr(os, word, 0)
    if not words:  # creat
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
    created = bool(flags & os.O_CREAT and flags & (os.O_EXCL | os.O_TRUNC))
    return Open(path=_unescape(result[1]), flags=flags, created=created)


def _unescape(text: str) -> str:
    data, _ = codecs.escape_decode(text.encode("latin-1"))
    return os.fsdecode(data)
