"""Sources: params whose identity is their content, such as `Files`.

Guarantee: two bindings of a source have equal identities exactly if they hold the same files by
name and content; neither the folder of the project, nor times, nor the patterns count. Files come
in sorted order of their names, so what is read from them does not depend on the file system.
The limit: what is read natively by somebody else's code between `identity` and reading is not
locked; a file replaced in between is noticed by the next run.
"""

from __future__ import annotations

import glob
import importlib.util
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from dagrun.engine.canonical import Json
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.openfiles import UnreadableFile
from dagrun.engine.reading import Readable
from dagrun.engine.statcache import StatCache


@runtime_checkable
class Source(Protocol):
    """A param whose value is looked up outside the pipeline and whose content is in the key."""

    def bind(self, root: Path, stats: StatCache) -> Source:
        """Return a copy that resolves relative to `root`; reads nothing."""
        ...

    def identity(self, where: str = "source") -> Json:
        """Return what enters the key. Raises `DagrunError`, its message opened by `where`."""
        ...


class NoSuchFiles(DefinitionError):
    """A pattern matches no file."""

    def __init__(self, where: str, pattern: str, folder: Path, names: list[str]) -> None:
        self.where, self.pattern, self.folder, self.names = where, pattern, folder, names
        wanted = PurePosixPath(pattern).name
        if not folder.is_dir():
            found = f"the folder {folder} does not exist"
        elif (folder / wanted).is_dir():
            found = f"it is a folder; for the files in it write {pattern.rstrip('/') + '/*'!r}"
        else:
            found = f"{folder} holds: {listing(names)}.{nearest(wanted, names)}"
        super().__init__(f"{where}: no file matches {pattern!r}; {found}")


class SameName(DefinitionError):
    """Two absolute patterns give files of one name, so the files could not be told apart."""

    def __init__(self, where: str, name: str, first: Path, second: Path) -> None:
        self.where, self.name, self.first, self.second = where, name, first, second
        super().__init__(
            f"{where}: {first} and {second} would both be called {name!r}. Use patterns relative "
            "to the project, or one Files param for each"
        )


@dataclass(frozen=True, slots=True, init=False)
class Files(Readable):
    """Files on disk, by shell patterns (`*`, `?`, `[...]`, `**` for folders at any depth).

    Patterns are relative to the project root (unbound: to the working directory), or with
    `package` to the folder of that installed package, which is found without importing it.
    A file is named by its path relative to there; one matched by an absolute pattern, by its path
    relative to the pattern's folder. Hidden files match only patterns that spell out the dot.
    `.zip` and `.gz` files are opened wherever content is read.
    """

    patterns: tuple[str, ...]
    package: str | None
    root: Path | None = field(compare=False, repr=False)
    stats: StatCache | None = field(compare=False, repr=False)

    def __init__(self, *patterns: str, package: str | None = None) -> None:
        if not patterns or not all(isinstance(pattern, str) and pattern for pattern in patterns):
            raise DefinitionError(
                f"Files takes one or more patterns as strings, such as Files('data/*.csv'); "
                f"got {patterns!r}"
            )
        self._set(patterns, package, None, None)

    def _set(
        self,
        patterns: tuple[str, ...],
        package: str | None,
        root: Path | None,
        stats: StatCache | None,
    ) -> None:
        for name, value in zip(
            ("patterns", "package", "root", "stats"),
            (patterns, package, root, stats),
            strict=True,
        ):
            object.__setattr__(self, name, value)

    def bind(self, root: Path, stats: StatCache | None = None) -> Files:
        """Return a copy that resolves relative to `root` and remembers digests in `stats`."""
        bound = object.__new__(Files)
        bound._set(self.patterns, self.package, root, stats)
        return bound

    def identity(self, where: str = "Files") -> Json:
        """Return `{"files": {name: BLAKE3 of the content}}`, sorted by name.

        Raises `NoSuchFiles`, `SameName`, `UnreadableFile`, `ChangingFile`; `where` opens the
        message of the first two.
        """
        stats = self.stats or StatCache()
        digests = {}
        for name, path in self.find(where).items():
            try:
                digests[name] = stats.digest(path)
            except OSError as error:
                raise UnreadableFile(str(path), error) from error
        return {"files": digests}

    def find(self, where: str = "Files") -> dict[str, Path]:
        """Return the files by name, in sorted order. Raises `NoSuchFiles`, `SameName`."""
        base = self._base(where)
        found: dict[str, Path] = {}
        for pattern in self.patterns:
            matches = _match(base, pattern)
            if not matches:
                folder = base / _fixed_folder(pattern)
                raise NoSuchFiles(where, pattern, folder, _names_in(folder))
            for name, path in matches.items():
                if found.setdefault(name, path) != path:
                    raise SameName(where, name, found[name], path)
        return dict(sorted(found.items()))

    def pick(self, name: str) -> Files:
        """Return the one file of that name alone, bound as this is. Raises as `find` does."""
        pattern = glob.escape(name)
        if any(Path(each).is_absolute() for each in self.patterns):
            pattern = glob.escape(str(self.find()[name]))
        return Files(pattern, package=self.package).bind(self.root or Path(), self.stats)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, in sorted order of their names."""
        return tuple(self.find().values())

    @property
    def searched(self) -> tuple[Path, ...]:
        """The existing folders whose listing decides which files match, sorted."""
        base = self._base("Files")
        prefixes = {PurePosixPath(pattern).parent for pattern in self.patterns}
        for pattern in map(PurePosixPath, self.patterns):
            prefixes |= {p.parent for p in (pattern, *pattern.parents) if glob.has_magic(p.name)}
            prefixes |= {p for p in pattern.parents if p.name == "**"}
        found = {Path(path) for prefix in prefixes for path in _glob(base, str(prefix))}
        return tuple(sorted(path for path in found if path.is_dir()))

    def _base(self, where: str) -> Path:
        if self.package is None:
            return (self.root or Path()).absolute()
        top, *rest = self.package.split(".")
        try:
            spec = importlib.util.find_spec(top)
        except ValueError:
            spec = None
        folders = [
            Path(folder, *rest) for folder in (spec and spec.submodule_search_locations) or ()
        ]
        for folder in folders:
            if folder.is_dir():
                return folder
        raise DefinitionError(
            f"{where}: the package {self.package!r} is not installed, or is no folder. Install it "
            "into this environment, or give Files a path"
        )


def _match(base: Path, pattern: str) -> dict[str, Path]:
    """Return `{name: path}` of the files that match; a file of just that name wins."""
    literal = base / pattern
    paths = [str(literal)] if literal.is_file() else _glob(base, pattern)
    fixed = base / _fixed_folder(pattern)
    # Only a pattern that is absolute, and leads out of the base, names its files by its own folder.
    absolute = Path(pattern).is_absolute() and not fixed.is_relative_to(base)
    origin = fixed if absolute else base
    return {
        Path(os.path.relpath(path, origin)).as_posix(): Path(os.path.normpath(path))
        for path in paths
        if Path(path).is_file()
    }


def _glob(base: Path, pattern: str) -> list[str]:
    # Not Path.glob, which differs between Python versions and takes hidden files.
    return glob.glob(str(Path(glob.escape(str(base)), pattern)), recursive=True)  # noqa: PTH207


def _fixed_folder(pattern: str) -> Path:
    """Return the folder of a pattern before its first wildcard."""
    folder = Path(pattern).parent
    while glob.has_magic(str(folder)):
        folder = folder.parent
    return folder


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
