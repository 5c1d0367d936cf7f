"""Undeclared reads: files that a stage opens though they are in neither its inputs nor sources.

Such a file is not in the key, so an edit of it would be missed. With `--strict` each stage runs in
a process of its own, which is watched from loading its inputs until its outputs are stored; one
that reads what it does not declare fails, and nothing is stored. An audit hook sees the opens of
Python code; strace, where it is installed and may trace, those of native code and child processes.
The limits: files read while the pipeline is imported, the network, databases, listings of folders
and environment variables are not seen, nor are stages that hit.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from dagrun.engine.checks.opens import Open, read_trace
from dagrun.engine.errors import DagrunError
from dagrun.engine.executors.processes import TRACER

OPTIONS = ("-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", "signal=none")
CALLS = ("-e", "trace=open,openat,openat2,creat")
OWN = str(Path(__file__).parents[1])
CODE = (".py", ".pyc", ".pyd", ".so", ".pth")
SYSTEM = (
    *(
        "/proc",
        "/sys",
        "/dev",
        "/run",
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
    ),
    *("/usr/share/zoneinfo", "/usr/share/locale", "/usr/share/i18n", "/etc/ssl", "/etc/localtime"),
    *("/etc/timezone", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group"),
    *("/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf", "/etc/mime.types"),
    *("/etc/os-release", "/usr/share/zoneinfo-icu", "/etc/locale.alias"),
)
"""What the system and its libraries read on their own account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A file that was read undeclared, relative to the project, and the line that opened it."""

    file: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.file} ({self.where})" if self.where else self.file


class UndeclaredReads(DagrunError):
    """A stage read files that it does not declare."""

    def __init__(self, stage: str, reads: Iterable[Read]) -> None:
        self.stage, self.reads = stage, tuple(reads)
        lines = "".join(f"\n  - {read}" for read in self.reads)
        file = self.reads[0].file
        name = "".join(each if each.isalnum() else "_" for each in Path(file).stem.lower())
        name = name if name.isidentifier() else "file"
        super().__init__(
            f"stage {stage!r} read what it does not declare, so an edit of it would be missed; "
            f"nothing was stored:{lines}\n"
            f"  Declare it as a param and read it through that: {name}: Files = Files({file!r})"
        )


class _Watch:
    """The opens of this process; Python's hooks cannot be removed, so there is one for good."""

    def __init__(self, trace: Path | None) -> None:
        self.trace = trace
        self.root = ""
        self.opens: list[Open] | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or self.opens is None:
            return
        path, _, flags = arguments
        if isinstance(path, str | bytes) and isinstance(flags, int):
            text = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - must not touch links
            created = bool(flags & os.O_CREAT) and not os.path.exists(text)  # noqa: PTH110
            self.opens.append(
                Open(path=text, flags=flags, created=created, where=self._user_line())
            )

    def _user_line(self) -> str:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(self.root) and not _is_beneath(file, (*_installed(), OWN)):
                return f"{os.path.relpath(file, self.root)}:{frame.f_lineno}"
            frame = frame.f_back
        return ""


_WATCH: _Watch | None = None


def watch_process(trace: str) -> None:
    """Watch this process from now on; `trace` is strace's file, or "" where there is none."""
    global _WATCH
    _WATCH = _Watch(Path(trace) if trace else None)


@contextlib.contextmanager
def declared_only(stage: str, params: Mapping[str, Any], root: Path, store: Path) -> Iterator[None]:
    """Refuse undeclared reads inside the block, if this process is watched.

    Raises `UndeclaredReads` at its end.
    """
    if _WATCH is None:
        yield
        return
    _WATCH.root, _WATCH.opens = str(root) + os.sep, []
    _mark(_WATCH.trace, "begin")
    try:
        yield
        opens = list(_WATCH.opens)
    finally:
        _WATCH.opens = None
    _mark(_WATCH.trace, "end")
    if _WATCH.trace is not None:
        opens += read_trace(_WATCH.trace, _marker(_WATCH.trace, "begin"))
    declared = {
        name
        for value in params.values()
        for path in getattr(value, "paths", ())
        for name in (str(path), os.path.realpath(path))
    }
    if reads := _undeclared(opens, declared, root, store):
        raise UndeclaredReads(stage, reads)


def _marker(trace: Path, name: str) -> str:
    return f"{trace}.{name}"


def _mark(trace: Path | None, name: str) -> None:
    """Leave a mark in the trace: an open that fails."""
    if trace is not None:
        with contextlib.suppress(OSError):
            os.close(os.open(_marker(trace, name), os.O_RDONLY))


def _undeclared(opens: list[Open], declared: set[str], root: Path, store: Path) -> list[Read]:
    created: set[str] = set()
    found: dict[str, str] = {}
    for each in opens:
        if each.created:
            created.add(each.path)
        elif each.reads and each.path not in created:
            found.setdefault(each.path, each.where)
    reads = []
    for path, where in found.items():
        real = os.path.realpath(path)
        known = path in declared or real in declared or _is_exempt(real, root, store)
        if not known and Path(path).is_file():
            reads.append(Read(file=os.path.relpath(path, root), where=where))
    # What a link leads to and the link itself are one file.
    unique = {os.path.realpath(root / read.file): read for read in reversed(reads)}
    return sorted(unique.values(), key=str)


def _is_exempt(path: str, root: Path, store: Path) -> bool:
    name = os.path.basename(path)  # noqa: PTH119 - a string from the system
    if name.endswith(CODE) or ".so." in name or _is_beneath(path, [str(store)]):
        return True
    if _is_beneath(path, _installed()):
        return True
    # Before the temporary folder, in which a whole project may lie.
    if _is_beneath(path, [os.path.realpath(root)]):
        return False
    return _is_beneath(path, [os.path.realpath(tempfile.gettempdir()), *SYSTEM])


@functools.cache
def _installed() -> tuple[str, ...]:
    """Where Python and its packages are."""
    folders = {sys.prefix, *site.getsitepackages(), site.getusersitepackages()}
    folders |= {path for name, path in sysconfig.get_paths().items() if name.endswith("lib")}
    return tuple({os.path.realpath(folder) for folder in folders} | folders)


def _is_beneath(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


@functools.cache
def find_tracer() -> tuple[tuple[str, ...], str]:
    """Return `(strace's command line, "")`, or `((), why there is none)`."""
    program = shutil.which("strace")
    if program is None:
        return (), "strace is not installed"
    command = (program, *OPTIONS, *CALLS)
    trial = [*command, "-o", os.devnull, sys.executable, "-I", "-S", "-c", ""]
    tried = subprocess.run(trial, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return (), tried.stderr.strip().splitlines()[-1] if tried.stderr else "strace fails"
    return command, ""


@contextlib.contextmanager
def strictly(wanted: bool) -> Iterator[tuple[str, ...]]:
    """Watch the worker processes started inside the block; give what cannot be seen, in words."""
    if not wanted:
        yield ()
        return
    command, problem = find_tracer()
    token = TRACER.set(command)
    try:
        yield (
            (
                "--strict sees only what Python code opens; files that native code (Polars, "
                f"PyArrow) or a child process reads stay unseen: {problem}",
            )
            if problem
            else ()
        )
    finally:
        TRACER.reset(token)
