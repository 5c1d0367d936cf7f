"""Whose code a module is: the project's, an installed distribution's, or nobody's business.

Guarantee: a file listed in the RECORD of an installed distribution belongs to it, even beneath the
project's root, and counts as its version (for one installed from a folder, an archive or a
repository, whose version says little, as the digests in its RECORD). The standard library and
dagrun's own machinery count as nothing. The limit: a distribution edited in place goes unnoticed,
and so do the distributions that a reached one uses itself.
"""

from __future__ import annotations

import importlib.machinery
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dagrun.engine.canonical import digest, digest_bytes

_STDLIB = str(Path(os.__file__).parent) + os.sep
_SITES = ("site-packages", "dist-packages")
_CODE = tuple(importlib.machinery.all_suffixes())
_COMPILED = tuple(importlib.machinery.EXTENSION_SUFFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a module comes from.

    Attributes:
        kind: "project" is closed over by syntax; "distribution" counts as `name` and `version`;
            "nothing" does not count; a "namespace" is a folder without a file of its own.
        name: the module's name in symbols for the project's, else the distribution's.
        version: version of a distribution, or a digest of its files when they are local.
        files: the files whose content `version` is a digest of.
    """

    kind: Literal["project", "distribution", "nothing", "namespace"]
    name: str
    version: str = ""
    files: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Site:
    """A folder that distributions are installed in; records are read when first needed."""

    folder: str
    metadata: list[str]
    records: dict[str, bytes] = field(default_factory=dict)


class Origins:
    """Answers for one project root, remembering every answer and every RECORD it has read."""

    def __init__(self, root: Path) -> None:
        absolute, real = os.path.abspath(root), os.path.realpath(root)  # noqa: PTH100
        self._roots = tuple(
            dict.fromkeys(place.rstrip(os.sep) + os.sep for place in (absolute, real))
        )
        self._sites: dict[str, _Site] = {}
        self._known: dict[tuple[str, str | None], Origin] = {}

    def of(self, module: str, file: str | None) -> Origin:
        """Return the origin of a module by its name and its file (None if it has none)."""
        known = self._known.get((module, file))
        if known is None:
            known = self._known[module, file] = self._find(module, file)
        return known

    def relative(self, path: str) -> str | None:
        """Return `path` relative to the root in POSIX form, or None outside of it."""
        for root in self._roots:
            if path.startswith(root):
                return path[len(root) :].replace(os.sep, "/")
            if path + os.sep == root:
                return "."
        return None

    def python_files(self) -> list[str]:
        """Return every Python file beneath the root that is neither hidden nor installed."""
        found: list[str] = []
        for folder, inner, files in os.walk(self._roots[0]):
            if "pyvenv.cfg" in files:
                inner[:] = []
                continue
            kept = [name for name in inner if not name.startswith((".", "__pycache__"))]
            inner[:] = sorted(name for name in kept if name not in _SITES)
            found += [os.path.join(folder, name) for name in sorted(files) if name[-3:] == ".py"]  # noqa: PTH118
        return found

    def _find(self, module: str, file: str | None) -> Origin:
        top = module.partition(".")[0]
        if top == "dagrun":
            ours = module == "dagrun.stages" or module.startswith("dagrun.stages.")
            return Origin(kind="project" if ours else "nothing", name=module)
        if file is None:
            known = top in sys.stdlib_module_names or top in sys.builtin_module_names
            return Origin(kind="nothing" if known else "namespace", name=module)
        if file.startswith("<"):  # frozen, or typed at a prompt
            frozen = file.startswith("<frozen")
            return Origin(kind="nothing" if frozen else "project", name=module)
        path = os.path.abspath(file)  # noqa: PTH100 (a symbolic link keeps its place)
        installed = any(f"{os.sep}{site}{os.sep}" in path for site in _SITES)
        if path.startswith(_STDLIB) and not installed:
            return Origin(kind="nothing", name=module)
        if found := self._recorded(path):
            return found
        inside = self.relative(path) or self.relative(os.path.realpath(path))
        if inside and not installed and not path.endswith(_COMPILED):
            return Origin(kind="project", name=_dotted(inside))
        if not Path(path).exists():  # a notebook's cell
            return Origin(kind="project", name=module)
        whole = inside is None or installed
        return _local(module, Path(path), whole=whole)

    def _recorded(self, path: str) -> Origin | None:
        """Find the distribution whose RECORD lists `path`, nearest folder first."""
        folders = {entry.rstrip(os.sep) for entry in sys.path if entry}
        for folder in sorted(folders, key=len, reverse=True):
            if not path.startswith(folder + os.sep):
                continue
            site = self._sites.get(folder) or self._open(folder)
            line = path[len(folder) + 1 :].replace(os.sep, "/")
            top = canonical_name(line.partition("/")[0].partition(".")[0])
            likely = sorted(site.metadata, key=lambda item: _project(item)[0] != top)
            for item in likely:
                if _lists(site, item, line):
                    name, version = _project(item)
                    version += _build(site, item)
                    return Origin(kind="distribution", name=name, version=version)
        return None

    def _open(self, folder: str) -> _Site:
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208
        except OSError:
            names = []
        found = [name for name in names if name.endswith((".dist-info", ".egg-info"))]
        return self._sites.setdefault(folder, _Site(folder=folder, metadata=found))


def _lists(site: _Site, metadata: str, line: str) -> bool:
    """Tell whether a distribution's file list has the file `line`."""
    if metadata not in site.records:
        folder = Path(site.folder, metadata)
        parts = [b""]
        for name in ("RECORD", "top_level.txt"):
            try:
                data = (folder / name).read_bytes().replace(b"\r\n", b"\n")
            except OSError:
                continue
            if name == "RECORD":
                parts = [b"\n" + data]
                break
            # An egg-info has no RECORD: all that is below its top-level names is taken as its own.
            parts = [b"\ntop:" + top for top in data.split()] if ".egg" in metadata else parts
        site.records[metadata] = b"".join(parts) + b"\n"
    record = site.records[metadata]
    top = line.partition("/")[0].removesuffix(".py").encode()
    listed = (b"\n%b," % line.encode(), b'\n"%b",' % line.encode(), b"\ntop:%b\n" % top)
    return any(mark in record for mark in listed)


def _build(site: _Site, metadata: str) -> str:
    """Return a mark of the very files, for what was not installed from an index."""
    if not Path(site.folder, metadata, "direct_url.json").exists():
        return ""
    lines = site.records[metadata].split(b"\n")
    files = [line for line in lines if b".dist-info/" not in line and b"__pycache__" not in line]
    content = b"\n".join(sorted(files))
    return f" (files {digest_bytes(content)[:16]})"


def _project(metadata: str) -> tuple[str, str]:
    """Split `some_name-1.2.dist-info` into a canonical name and a version."""
    stem = metadata.rpartition(".")[0]
    name, _, version = stem.partition("-")
    return canonical_name(name), version.partition("-py")[0]


def canonical_name(name: str) -> str:
    """Return the name by which package indexes compare distributions."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _dotted(relative: str) -> str:
    """Turn `pkg/sub/__init__.py` into `pkg.sub`."""
    stem = relative.rpartition(".")[0] or relative
    return stem.removesuffix("/__init__").replace("/", ".")


def _local(module: str, path: Path, *, whole: bool) -> Origin:
    """Identify code outside the root that nobody installed (or compiled code inside) by bytes.

    With `whole`, its top-level package counts, or the modules beside a single-file module.
    """
    name, files = module, [path]
    if whole:
        parts = module.split(".")
        folder = path.parent
        if len(parts) > 1 or path.stem == "__init__":
            climb = len(parts) - (1 if path.stem == "__init__" else 2)
            for _ in range(climb):
                folder = folder.parent
            files = [item for item in folder.rglob("*") if item.name.endswith(_CODE)]
        else:
            files = [item for item in folder.iterdir() if item.name.endswith(_CODE)]
        name, path = parts[0], folder
    else:
        path = path.parent
    files = sorted(item for item in files if "__pycache__" not in item.parts)
    form = [[item.relative_to(path).as_posix(), digest_bytes(item.read_bytes())] for item in files]
    version = f"files {digest('local code', form)[:16]}"
    return Origin(kind="distribution", name=name, version=version, files=tuple(files))
